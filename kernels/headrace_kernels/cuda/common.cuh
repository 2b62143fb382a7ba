// What every kernel is written with: names of types, places of threads, searches, and scans that do not depend on order.
//
// Sources keep to what the tests' emulator knows: blocks of one dimension, static shared memory, __syncthreads, warp
// collectives named by all 32 lanes, and integer atomics.
#pragma once

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;

constexpr u32 ALL_LANES = 0xffffffffu;

__device__ inline i64 thread_index() { return static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline u32 lane_of() { return threadIdx.x & 31u; }
__device__ inline u32 warp_of() { return threadIdx.x >> 5; }

__device__ inline f64 not_a_number() { return __longlong_as_double(0x7ff8000000000000LL); }
__device__ inline f64 infinity() { return __longlong_as_double(0x7ff0000000000000LL); }
__device__ inline bool is_nan(f64 x) { return x != x; }
__device__ inline bool is_finite(f64 x) {
  return (__double_as_longlong(x) & 0x7ff0000000000000LL) != 0x7ff0000000000000LL;
}

// A result as the host writes it: a device's arithmetic, and its conversions, make a NaN of other bits than the CPU's.
__device__ inline f64 with_plain_nan(f64 x) { return is_nan(x) ? not_a_number() : x; }
__device__ inline f32 with_plain_nan(f32 x) { return x != x ? __int_as_float(0x7fc00000) : x; }
template <class To, class From>
__device__ inline To rounded(From x) {
  return with_plain_nan(static_cast<To>(x));
}

// First place in [begin, end) whose value is greater than the bound, else end; values never decrease.
__device__ inline i64 first_above(const i64* values, i64 begin, i64 end, i64 bound) {
  while (begin < end) {
    const i64 middle = begin + (end - begin) / 2;
    if (values[middle] > bound) {
      end = middle;
    } else {
      begin = middle + 1;
    }
  }
  return begin;
}

// A number of 128 bits, two's complement.
struct alignas(16) U128 {
  u64 low;
  u64 high;
};

__device__ inline U128 operator+(U128 a, U128 b) {
  const u64 low = a.low + b.low;
  return {low, a.high + b.high + (low < a.low ? 1 : 0)};
}
__device__ inline U128 operator-(U128 a, U128 b) { return {a.low - b.low, a.high - b.high - (a.low < b.low ? 1 : 0)}; }

template <class T>
__device__ inline T shuffle_up(T value, u32 distance) {
  return __shfl_up_sync(ALL_LANES, value, distance);
}
__device__ inline U128 shuffle_up(U128 value, u32 distance) {
  return {__shfl_up_sync(ALL_LANES, value.low, distance), __shfl_up_sync(ALL_LANES, value.high, distance)};
}
template <class T>
__device__ inline T shuffle_from(T value, u32 lane) {
  return __shfl_sync(ALL_LANES, value, lane);
}
__device__ inline U128 shuffle_from(U128 value, u32 lane) {
  return {__shfl_sync(ALL_LANES, value.low, lane), __shfl_sync(ALL_LANES, value.high, lane)};
}

// Sum of the values of lanes 0 to this one.
template <class T>
__device__ inline T warp_inclusive(T value) {
  for (u32 distance = 1; distance < 32; distance *= 2) {
    const T before = shuffle_up(value, distance);
    if (lane_of() >= distance) value = before + value;
  }
  return value;
}

// Scans over tiles: a block of TILE_THREADS scans TILE neighbouring items, each warp a stretch of its own, 32 items at a
// time, so that every load and store is coalesced and only warps' totals go through shared memory. Addition must be
// associative: integers.
constexpr u32 TILE_THREADS = 256;
constexpr u32 TILE_WARPS = TILE_THREADS / 32;
constexpr u32 TILE_STEPS = 8;
constexpr u32 TILE = TILE_THREADS * TILE_STEPS;

// Writes the total of each tile: totals[blockIdx.x]. `load(i)` gives item i < n.
template <class T, class Load>
__device__ inline void total_tile(i64 n, T zero, Load load, T* totals) {
  __shared__ T warps[TILE_WARPS];
  const i64 base = static_cast<i64>(blockIdx.x) * TILE + warp_of() * (32 * TILE_STEPS) + lane_of();
  T sum = zero;
  for (u32 step = 0; step < TILE_STEPS; ++step) {
    const i64 item = base + step * 32;
    if (item < n) sum = sum + load(item);
  }
  sum = warp_inclusive(sum);
  if (lane_of() == 31) warps[warp_of()] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    T total = zero;
    for (u32 warp = 0; warp < TILE_WARPS; ++warp) total = total + warps[warp];
    totals[blockIdx.x] = total;
  }
}

// Scans a tile: `store(i, before, item)` for each item i < n, `before` being the sum of all items before it. `offset` is
// the sum of all tiles before this one.
template <class T, class Load, class Store>
__device__ inline void scan_tile(i64 n, T zero, T offset, Load load, Store store) {
  __shared__ T warps[TILE_WARPS];
  const i64 base = static_cast<i64>(blockIdx.x) * TILE + warp_of() * (32 * TILE_STEPS) + lane_of();
  T items[TILE_STEPS];
  T sum = zero;
  for (u32 step = 0; step < TILE_STEPS; ++step) {
    const i64 item = base + step * 32;
    items[step] = item < n ? load(item) : zero;
    sum = sum + items[step];
  }
  sum = warp_inclusive(sum);
  if (lane_of() == 31) warps[warp_of()] = sum;
  __syncthreads();
  T before = offset;
  for (u32 warp = 0; warp < warp_of(); ++warp) before = before + warps[warp];
  for (u32 step = 0; step < TILE_STEPS; ++step) {
    const T inclusive = warp_inclusive(items[step]);
    const i64 item = base + step * 32;
    const T earlier = shuffle_up(inclusive, 1);
    if (item < n) store(item, lane_of() == 0 ? before : before + earlier, items[step]);
    before = before + shuffle_from(inclusive, 31);
  }
}
