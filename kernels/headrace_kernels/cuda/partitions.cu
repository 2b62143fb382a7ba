// Rows of some keys, in order: counted by tile, the counts summed, then written.
#include "common.cuh"

__device__ inline bool is_selected(const i32* codes, const bool* kept, i64 low, i64 n_keys, i64 row) {
  const i64 key = codes[row] - low;
  return key >= 0 && key < n_keys && (kept == nullptr || kept[row]);
}

extern "C" __global__ void __launch_bounds__(256) count_selected(
    const i32* codes, const bool* kept, i64 low, i64 n_keys, i64 n, u64* totals) {
  total_tile<u64>(n, 0, [&](i64 row) { return static_cast<u64>(is_selected(codes, kept, low, n_keys, row)); }, totals);
}

extern "C" __global__ void __launch_bounds__(256) write_selected(
    const i32* codes, const bool* kept, i64 low, i64 n_keys, i64 n, const i64* offsets, i32* rows, i32* selected) {
  scan_tile<u64>(
      n, 0, static_cast<u64>(offsets[blockIdx.x]),
      [&](i64 row) { return static_cast<u64>(is_selected(codes, kept, low, n_keys, row)); },
      [&](i64 row, u64 place, u64 takes_part) {
        if (!takes_part) return;
        rows[place] = static_cast<i32>(row);
        selected[place] = codes[row];
      });
}
