// Exclusive prefix sums in three launches: totals of tiles, their own prefix sums (by the same three launches, until one
// tile holds all), and the tiles' items with what came before them.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256) total_i64(const i64* items, i64 n, u64* totals) {
  total_tile<u64>(n, 0, [&](i64 i) { return static_cast<u64>(items[i]); }, totals);
}

extern "C" __global__ void __launch_bounds__(256) scan_i64(const i64* items, i64 n, const u64* offsets, i64* before) {
  scan_tile<u64>(
      n, 0, offsets == nullptr ? 0 : offsets[blockIdx.x], [&](i64 i) { return static_cast<u64>(items[i]); },
      [&](i64 i, u64 earlier, u64 item) {
        before[i] = static_cast<i64>(earlier);
        if (i == n - 1) before[n] = static_cast<i64>(earlier + item);
      });
}

extern "C" __global__ void __launch_bounds__(256) total_flags(const bool* items, i64 n, u64* totals) {
  total_tile<u64>(n, 0, [&](i64 i) { return static_cast<u64>(items[i] ? 1 : 0); }, totals);
}

extern "C" __global__ void __launch_bounds__(256) scan_flags(const bool* items, i64 n, const u64* offsets, i64* before) {
  scan_tile<u64>(
      n, 0, offsets == nullptr ? 0 : offsets[blockIdx.x], [&](i64 i) { return static_cast<u64>(items[i] ? 1 : 0); },
      [&](i64 i, u64 earlier, u64 item) {
        before[i] = static_cast<i64>(earlier);
        if (i == n - 1) before[n] = static_cast<i64>(earlier + item);
      });
}

// Numbers of 128 bits, as pairs (low, high): offsets in place of totals.
extern "C" __global__ void __launch_bounds__(256) total_pairs(const u64* items, i64 n, u64* totals) {
  const U128* const all = reinterpret_cast<const U128*>(items);
  total_tile<U128>(n, U128{0, 0}, [&](i64 i) { return all[i]; }, reinterpret_cast<U128*>(totals));
}

extern "C" __global__ void __launch_bounds__(256) scan_pairs(
    const u64* items, i64 n, const u64* offsets, u64* before) {
  const U128* const all = reinterpret_cast<const U128*>(items);
  U128* const result = reinterpret_cast<U128*>(before);
  const U128 offset = offsets == nullptr ? U128{0, 0} : reinterpret_cast<const U128*>(offsets)[blockIdx.x];
  scan_tile<U128>(
      n, U128{0, 0}, offset, [&](i64 i) { return all[i]; }, [&](i64 i, U128 earlier, U128) { result[i] = earlier; });
}
