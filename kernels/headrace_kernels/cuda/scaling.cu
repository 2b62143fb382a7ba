// Values as integers, what a column holds, and the longest window.
#include "windows.cuh"

constexpr u64 NOT_FINITE = 1, IS_NULL = 2, UNFIT = 4;

// facts: what kinds of values there are, and the largest magnitude of their integers. Reads 8 or 9 bytes a value, and
// writes its kind where `kinds` is given.
extern "C" __global__ void __launch_bounds__(256) examine(
    const i64* values, bool integral, const bool* kept, i64 n, f64 factor, i8* kinds, u64* facts) {
  const i64 base = static_cast<i64>(blockIdx.x) * TILE + threadIdx.x;
  u64 flags = 0, largest = 0;
  i64 bits[TILE_STEPS];
  for (u32 step = 0; step < TILE_STEPS; ++step) {
    const i64 place = base + step * TILE_THREADS;
    bits[step] = place < n ? values[place] : 0;
  }
  for (u32 step = 0; step < TILE_STEPS; ++step) {
    const i64 place = base + step * TILE_THREADS;
    if (place >= n) continue;
    i8 kind = FINITE;
    if (kept != nullptr && !kept[place]) {
      kind = NULL_VALUE;
      flags |= IS_NULL;
    } else {
      const f64 value = integral ? 0.0 : __longlong_as_double(bits[step]);
      if (!is_finite(value)) {
        kind = is_nan(value) ? NAN_VALUE : value > 0 ? ABOVE_ALL : BELOW_ALL;
        flags |= NOT_FINITE;
      }
      const Scaled scaled = scale(bits[step], integral, factor);
      if (!scaled.fits) flags |= UNFIT;
      largest = max(largest, magnitude(scaled.integer));
    }
    if (kinds != nullptr) kinds[place] = kind;
  }
  flags = over_block(flags, [](u64 a, u64 b) { return a | b; });
  largest = over_block(largest, [](u64 a, u64 b) { return max(a, b); });
  if (threadIdx.x > 0) return;
  if (flags != 0) atomicOr(&facts[0], flags);
  if (largest != 0) atomicMax(&facts[1], largest);
}

// 16 bytes a value.
extern "C" __global__ void __launch_bounds__(256) scale_values(
    const i64* values, bool integral, const bool* kept, i64 n, f64 factor, i64* integers) {
  const i64 place = thread_index();
  if (place >= n) return;
  integers[place] = kept == nullptr || kept[place] ? scale(values[place], integral, factor).integer : 0;
}

// 16 bytes a query.
extern "C" __global__ void __launch_bounds__(256) longest_range(
    const i64* first, const i64* last, i64 n_queries, u64* longest) {
  const i64 base = static_cast<i64>(blockIdx.x) * TILE + threadIdx.x;
  u64 most = 0;
  for (u32 step = 0; step < TILE_STEPS; ++step) {
    const i64 query = base + step * TILE_THREADS;
    if (query < n_queries) most = max(most, static_cast<u64>(last[query] - first[query]));
  }
  most = over_block(most, [](u64 a, u64 b) { return max(a, b); });
  if (threadIdx.x == 0 && most != 0) atomicMax(longest, most);
}
