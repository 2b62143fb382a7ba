// One pass of a stable radix sort: digits counted tile by tile, counts summed over [digit][tile], and rows moved. A tile
// is put in order in shared memory before it is written, so that neighbouring threads write neighbouring places.
#include "common.cuh"

constexpr u32 SORT_THREADS = 512;
constexpr u32 SORT_WARPS = SORT_THREADS / 32;
constexpr u32 SORT_STEPS = 8;
constexpr u32 SORT_TILE = SORT_THREADS * SORT_STEPS;
constexpr u32 MOST_DIGITS = 256;
static_assert(MOST_DIGITS <= SORT_THREADS, "a thread sums one digit");
static_assert(SORT_TILE < 65536, "places in a tile are counted in 16 bits");

// Items of this block's tile.
__device__ inline u32 items_of_tile(i64 n) {
  return static_cast<u32>(min(n - static_cast<i64>(blockIdx.x) * SORT_TILE, static_cast<i64>(SORT_TILE)));
}
// The item of a step in its tile: each warp reads a stretch, 32 neighbours at a time, so that ranks follow the order.
__device__ inline u32 item_of(u32 step) { return warp_of() * (32 * SORT_STEPS) + step * 32 + lane_of(); }
// Whether a step has items for any lane of this warp.
__device__ inline bool has_items(u32 step, u32 count) { return warp_of() * (32 * SORT_STEPS) + step * 32 < count; }
__device__ inline u32 digit_of(u64 key, u32 shift, u32 n_digits) {
  return static_cast<u32>(key >> shift) & (n_digits - 1);
}
// Whether this lane is the first of some.
__device__ inline bool leads(u32 lanes) { return static_cast<u32>(__ffs(lanes)) == lane_of() + 1; }

// counts[digit * tiles + tile]; n_digits is a power of two, at most 256.
extern "C" __global__ void __launch_bounds__(512) count_digits(
    const u64* __restrict__ keys, i64 n, u32 shift, u32 n_digits, u32* __restrict__ counts) {
  __shared__ u32 found[MOST_DIGITS];
  if (threadIdx.x < MOST_DIGITS) found[threadIdx.x] = 0;
  keys += static_cast<i64>(blockIdx.x) * SORT_TILE;
  const u32 count = items_of_tile(n);
  u32 digits[SORT_STEPS];  // all are asked for before any is waited for
#pragma unroll
  for (u32 step = 0; step < SORT_STEPS; ++step) {
    digits[step] = item_of(step) < count ? digit_of(keys[item_of(step)], shift, n_digits) : MOST_DIGITS;
  }
  __syncthreads();
#pragma unroll
  for (u32 step = 0; step < SORT_STEPS; ++step) {
    if (!has_items(step, count)) continue;
    const u32 same = __match_any_sync(ALL_LANES, digits[step]);
    if (digits[step] < MOST_DIGITS && leads(same)) atomicAdd(&found[digits[step]], static_cast<u32>(__popc(same)));
  }
  __syncthreads();
  if (threadIdx.x < n_digits) counts[static_cast<i64>(threadIdx.x) * gridDim.x + blockIdx.x] = found[threadIdx.x];
}

extern "C" __global__ void __launch_bounds__(256) total_counts(const u32* counts, i64 n, u64* totals) {
  total_tile<u64>(n, 0, [&](i64 i) { return static_cast<u64>(counts[i]); }, totals);
}

// Sums of what is before, in place.
extern "C" __global__ void __launch_bounds__(256) scan_counts(u32* counts, i64 n, const i64* offsets) {
  scan_tile<u32>(
      n, 0, offsets == nullptr ? 0 : static_cast<u32>(offsets[blockIdx.x]), [&](i64 i) { return counts[i]; },
      [&](i64 i, u32 earlier, u32) { counts[i] = earlier; });
}

// Moves keys and what they hold to where their digits belong; without `held`, items hold their own number.
extern "C" __global__ void __launch_bounds__(512, 2) move_digits(
    const u64* __restrict__ keys, const i32* __restrict__ held, i64 n, u32 shift, u32 n_digits,
    const u32* __restrict__ places, u64* __restrict__ sorted_keys, i32* __restrict__ sorted_held) {
  __shared__ u64 staged[SORT_TILE];
  __shared__ u16 begins[SORT_WARPS][MOST_DIGITS];
  __shared__ u32 offsets[MOST_DIGITS];  // where a digit's run is written, less where it begins in the tile
  __shared__ u32 warps[SORT_WARPS];
  for (u32 digit = lane_of(); digit < MOST_DIGITS; digit += 32) begins[warp_of()][digit] = 0;
  __syncwarp();

  const i64 tile_begin = static_cast<i64>(blockIdx.x) * SORT_TILE;
  const u32 count = items_of_tile(n);
  u64 mine[SORT_STEPS];
#pragma unroll
  for (u32 step = 0; step < SORT_STEPS; ++step) {
    mine[step] = item_of(step) < count ? keys[tile_begin + item_of(step)] : 0;
  }
  u32 ranks[SORT_STEPS];  // among the warp's items of the same digit, then in the tile
#pragma unroll
  for (u32 step = 0; step < SORT_STEPS; ++step) {
    if (!has_items(step, count)) continue;
    const bool inside = item_of(step) < count;
    const u32 digit = inside ? digit_of(mine[step], shift, n_digits) : MOST_DIGITS;
    const u32 same = __match_any_sync(ALL_LANES, digit);
    const u32 before = inside ? begins[warp_of()][digit] : 0;
    __syncwarp();
    if (inside && leads(same)) begins[warp_of()][digit] = static_cast<u16>(before + __popc(same));
    __syncwarp();
    ranks[step] = before + __popc(same & ((1u << lane_of()) - 1));
  }
  __syncthreads();

  const bool sums = threadIdx.x < MOST_DIGITS;  // this thread stands for a digit
  u32 total = 0;
  for (u32 warp = 0; sums && warp < SORT_WARPS; ++warp) total += begins[warp][threadIdx.x];
  const u32 inclusive = warp_inclusive(total);
  if (lane_of() == 31) warps[warp_of()] = inclusive;
  __syncthreads();
  if (sums) {
    u32 begin = inclusive - total;
    for (u32 warp = 0; warp < warp_of(); ++warp) begin += warps[warp];
    if (threadIdx.x < n_digits) {
      offsets[threadIdx.x] = places[static_cast<i64>(threadIdx.x) * gridDim.x + blockIdx.x] - begin;
    }
    for (u32 warp = 0; warp < SORT_WARPS; ++warp) {
      const u32 found = begins[warp][threadIdx.x];
      begins[warp][threadIdx.x] = static_cast<u16>(begin);
      begin += found;
    }
  }
  __syncthreads();

#pragma unroll
  for (u32 step = 0; step < SORT_STEPS; ++step) {
    if (item_of(step) >= count) continue;
    ranks[step] += begins[warp_of()][digit_of(mine[step], shift, n_digits)];
    staged[ranks[step]] = mine[step];
  }
  __syncthreads();
  u32 targets[SORT_STEPS];
#pragma unroll
  for (u32 step = 0; step < SORT_STEPS; ++step) {
    const u32 place = step * SORT_THREADS + threadIdx.x;
    if (place >= count) continue;
    targets[step] = offsets[digit_of(staged[place], shift, n_digits)] + place;
    sorted_keys[targets[step]] = staged[place];
  }
  i32 carried[SORT_STEPS];
#pragma unroll
  for (u32 step = 0; step < SORT_STEPS; ++step) {
    const i64 item = tile_begin + item_of(step);
    carried[step] = held == nullptr || item >= n ? static_cast<i32>(item) : held[item];
  }
  __syncthreads();
  i32* const staged_held = reinterpret_cast<i32*>(staged);
#pragma unroll
  for (u32 step = 0; step < SORT_STEPS; ++step) {
    if (item_of(step) < count) staged_held[ranks[step]] = carried[step];
  }
  __syncthreads();
#pragma unroll
  for (u32 step = 0; step < SORT_STEPS; ++step) {
    const u32 place = step * SORT_THREADS + threadIdx.x;
    if (place < count) sorted_held[targets[step]] = staged_held[place];
  }
}
