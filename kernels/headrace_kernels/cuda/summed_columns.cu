// Prefix sums over the places of a column: of its values as integers, of their squares, of kinds of values, and of values
// above a threshold. Each in two passes over the values, as in scan.cu: totals of tiles, then the sums themselves.
#include "windows.cuh"

__device__ inline i64 integer_at(const i64* values, bool integral, const bool* kept, f64 factor, i64 place) {
  return kept == nullptr || kept[place] ? scale(values[place], integral, factor).integer : 0;
}

// 8 or 9 bytes a value; squares where `square_totals` is given: the tile's values should be in the first-level cache then.
extern "C" __global__ void __launch_bounds__(256) total_integers(
    const i64* values, bool integral, const bool* kept, i64 n, f64 factor, u64* totals, u64* square_totals) {
  const auto load = [&](i64 i) { return integer_at(values, integral, kept, factor, i); };
  total_tile<u64>(n, 0, [&](i64 i) { return static_cast<u64>(load(i)); }, totals);
  if (square_totals == nullptr) return;
  total_tile<U128>(n, U128{0, 0}, [&](i64 i) { return square(load(i)); }, reinterpret_cast<U128*>(square_totals));
}

// 16 bytes a value, 32 with squares.
extern "C" __global__ void __launch_bounds__(256) scan_integers(
    const i64* values, bool integral, const bool* kept, i64 n, f64 factor, const i64* offsets, const u64* square_offsets,
    i64* sums, u64* squares) {
  const auto load = [&](i64 i) { return integer_at(values, integral, kept, factor, i); };
  scan_tile<u64>(
      n, 0, static_cast<u64>(offsets[blockIdx.x]), [&](i64 i) { return static_cast<u64>(load(i)); },
      [&](i64 i, u64 before, u64 item) {
        sums[i] = static_cast<i64>(before);
        if (i == n - 1) sums[n] = static_cast<i64>(before + item);
      });
  if (squares == nullptr) return;
  U128* const result = reinterpret_cast<U128*>(squares);
  scan_tile<U128>(
      n, U128{0, 0}, reinterpret_cast<const U128*>(square_offsets)[blockIdx.x], [&](i64 i) { return square(load(i)); },
      [&](i64 i, U128 before, U128 item) {
        result[i] = before;
        if (i == n - 1) result[n] = before + item;
      });
}

// Four counts in one number, 16 bits each: a tile has fewer values than that.
__device__ inline u64 marks_of(i8 kind) {
  u64 marks = kind != NULL_VALUE ? 1 : 0;
  if (kind >= NAN_VALUE) marks |= 1ULL << (16 * (kind - NAN_VALUE + 1));
  return marks;
}

__device__ inline u64 mark(u64 marks, i64 row) { return marks >> (16 * row) & 0xffff; }

// totals: [n_rows, n_tiles]. 1 byte a value.
extern "C" __global__ void __launch_bounds__(256) total_marks(
    const i8* kinds, i64 n, i64 n_rows, i64 n_tiles, u64* packed, u64* totals) {
  total_tile<u64>(n, 0, [&](i64 i) { return marks_of(kinds[i]); }, packed);
  if (threadIdx.x > 0) return;
  for (i64 row = 0; row < n_rows; ++row) totals[row * n_tiles + blockIdx.x] = mark(packed[blockIdx.x], row);
}

// offsets: [n_rows * n_tiles], prefix sums of all totals; marks: [n_rows, n + 1]. 1 byte a value, and 8 a row.
extern "C" __global__ void __launch_bounds__(256) scan_marks(
    const i8* kinds, i64 n, i64 n_rows, i64 n_tiles, const i64* offsets, i64* marks) {
  scan_tile<u64>(
      n, 0, 0, [&](i64 i) { return marks_of(kinds[i]); },
      [&](i64 i, u64 before, u64 item) {
        for (i64 row = 0; row < n_rows; ++row) {
          const i64 earlier = offsets[row * n_tiles + blockIdx.x] - offsets[row * n_tiles];
          const i64 count = earlier + static_cast<i64>(mark(before, row));
          marks[row * (n + 1) + i] = count;
          if (i == n - 1) marks[row * (n + 1) + n] = count + static_cast<i64>(mark(item, row));
        }
      });
}

// Integers are compared with a whole number: of a threshold below all of them, that number is out of range.
struct Above {
  const i64* values;
  bool integral;
  const i8* kinds;
  f64 threshold;
  i64 whole;

  __device__ u64 operator()(i64 i) const {
    if (kinds != nullptr && kinds[i] == NULL_VALUE) return 0;
    if (!integral) return __longlong_as_double(values[i]) > threshold ? 1 : 0;
    return values[i] > whole || threshold < -9223372036854775808.0 ? 1 : 0;
  }
};

extern "C" __global__ void __launch_bounds__(256) total_above(
    const i64* values, bool integral, const i8* kinds, i64 n, f64 threshold, i64 whole, u64* totals) {
  total_tile<u64>(n, 0, Above{values, integral, kinds, threshold, whole}, totals);
}

// 16 or 17 bytes a value.
extern "C" __global__ void __launch_bounds__(256) scan_above(
    const i64* values, bool integral, const i8* kinds, i64 n, f64 threshold, i64 whole, const i64* offsets, i64* counts) {
  scan_tile<u64>(
      n, 0, static_cast<u64>(offsets[blockIdx.x]), Above{values, integral, kinds, threshold, whole},
      [&](i64 i, u64 before, u64 item) {
        counts[i] = static_cast<i64>(before);
        if (i == n - 1) counts[n] = static_cast<i64>(before + item);
      });
}
