// Extremes of stretches of a column, from which those of any range are put together; see `Side` in tiles.cuh.
#include "tiles.cuh"

// Extremes of the TILE_PLACES values from each place on: the rest of its tile, and the start of the next one up to the same
// distance. 8 or 9 bytes read and 8 written a value.
// Reference: M. van Herk, "A fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels",
// Pattern Recognition Letters 13, 1992.
extern "C" __global__ void __launch_bounds__(256) build_stretches(
    const i64* values, bool integral, const i8* kinds, i64 n, i64 flip, i64* stretches) {
  const i64 place = thread_index(), next = place + TILE_PLACES;
  const u32 offset = lane_of() % TILE_PLACES;
  i64 rest = place < n ? order_at(values, integral, kinds, place, flip) : MOST;
  i64 start = next < n ? order_at(values, integral, kinds, next, flip) : MOST;
  for (u32 distance = 1; distance < TILE_PLACES; distance *= 2) {
    const i64 after = __shfl_down_sync(ALL_LANES, rest, distance);
    const i64 before = __shfl_up_sync(ALL_LANES, start, distance);
    if (offset + distance < TILE_PLACES) rest = min(rest, after);
    if (offset >= distance) start = min(start, before);
  }
  const i64 earlier = __shfl_up_sync(ALL_LANES, start, 1);
  if (place < n) stretches[place] = offset > 0 ? min(rest, earlier) : rest;
}

// table: [levels, n_tiles], the extremes of 2**level tiles from each on; what would reach beyond the end stays unwritten.
extern "C" __global__ void __launch_bounds__(256) first_level(const i64* stretches, i64 n_tiles, i64* table) {
  const i64 tile = thread_index();
  if (tile < n_tiles) table[tile] = stretches[tile * TILE_PLACES];
}

extern "C" __global__ void __launch_bounds__(256) next_level(i64 level, i64 n_tiles, i64* table) {
  const i64 tile = thread_index(), half = 1LL << (level - 1);
  if (tile + 2 * half > n_tiles) return;
  const i64* const below = table + (level - 1) * n_tiles;
  table[level * n_tiles + tile] = min(below[tile], below[tile + half]);
}
