// Windows of queries over a column of values, and the columns of results they are written to: what the kernels of sums,
// extremes and ends share.
#pragma once

#include "common.cuh"

constexpr i8 NULL_VALUE = 0, FINITE = 1, NAN_VALUE = 2, ABOVE_ALL = 3, BELOW_ALL = 4;
constexpr i64 MOST = 0x7fffffffffffffffLL;

// One column of results a row, float32 or float64: the other pointer is null. A row below zero is not asked for.
struct Results {
  f32* narrow;
  f64* wide;
  i64 n_queries;

  __device__ void put(i64 row, i64 query, f64 value) const {
    if (row < 0) return;
    if (wide != nullptr) {
      wide[row * n_queries + query] = with_plain_nan(value);
    } else {
      narrow[row * n_queries + query] = rounded<f32>(value);
    }
  }
};

// Calls `each` with the places of [begin, end) that are visible; `visible_at` is null where all are.
template <class Each>
__device__ inline void for_visible(i64 begin, i64 end, const i64* visible_at, i64 now, Each each) {
  for (i64 place = begin; place < end; ++place) {
    if (visible_at == nullptr || visible_at[place] <= now) each(place);
  }
}

// Values of either type come as the 64 bits they are made of.
__device__ inline f64 to_float(i64 bits, bool integral) {
  return integral ? static_cast<f64>(bits) : __longlong_as_double(bits);
}

// A value as a multiple of the resolution, ties to even; not a finite value, nor one that does not fit: 0.
struct Scaled {
  i64 integer;
  bool fits;
};

// Without a branch on the value, so that the loads of several can be under way together.
__device__ inline Scaled scale(i64 bits, bool integral, f64 factor) {
  if (integral) return {bits, true};
  const f64 value = __longlong_as_double(bits);
  const f64 step = rint(value * factor);
  const bool is_small = fabs(step) < 9223372036854775808.0;
  return {static_cast<i64>(is_small ? step : 0.0), is_small || !is_finite(value)};
}

__device__ inline u64 magnitude(i64 integer) {
  return integer < 0 ? 0 - static_cast<u64>(integer) : static_cast<u64>(integer);
}

__device__ inline U128 square(i64 integer) {
  const u64 size = magnitude(integer);
  return {size * size, __umul64hi(size, size)};
}

// What the threads of a block hold, taken together in thread 0; `both` needs no order. Blocks have TILE_THREADS threads.
template <class T, class Both>
__device__ inline T over_block(T value, Both both) {
  __shared__ T warps[TILE_WARPS];
  for (u32 bits = 16; bits > 0; bits /= 2) value = both(value, __shfl_xor_sync(ALL_LANES, value, bits));
  if (lane_of() == 0) warps[warp_of()] = value;
  __syncthreads();
  for (u32 warp = 1; warp < TILE_WARPS; ++warp) value = threadIdx.x == 0 ? both(value, warps[warp]) : value;
  return value;
}
