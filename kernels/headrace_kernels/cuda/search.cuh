// Searches for many neighbouring items at once. A block answers for a tile of items: two warps find where the first and
// the last item lead to, and every other item looks between the two. What it costs depends on how much lies between
// them, not on how long a key's rows or a window are.
#pragma once
#include "common.cuh"

// Items of a tile: several a thread, so that the two searches of a block are paid seldom.
constexpr i64 SEARCH_TILE = 1024;

// The same as first_above, by all lanes of a warp together: a step leaves one part in 32.
__device__ inline i64 warp_first_above(const i64* values, i64 begin, i64 end, i64 bound) {
  while (begin < end) {
    const i64 stride = (end - begin + 31) / 32;
    const i64 probe = min(begin + (lane_of() + 1) * stride, end) - 1;
    const u32 below = __popc(__ballot_sync(ALL_LANES, values[probe] <= bound));
    const i64 base = begin;  // where all 32 are not above, what is left is empty
    begin = min(base + below * stride, end);
    end = min(base + (below + 1) * stride, end) - 1;
  }
  return begin;
}

// The same as first_above, where the answer is likely to be in [low, high]; right wherever it is.
__device__ inline i64 first_above_near(const i64* values, i64 begin, i64 end, i64 bound, i64 low, i64 high) {
  low = min(max(low, begin), end);
  high = max(min(high, end), low);
  if (low > begin && values[low - 1] > bound) {
    high = low - 1;
    low = begin;
  } else if (high < end && values[high] <= bound) {
    low = high + 1;
    high = end;
  }
  return first_above(values, low, high, bound);
}

// What is known of a block's tile: its items, and the keys of the first and of the last one.
struct KeyTile {
  i64 begin;
  i64 end;
  i64 low;
  i64 high;

  // Key of an item of the tile: the last whose rows begin at or before it.
  __device__ i64 key_of(const i64* starts, i64 item) const { return first_above(starts, low, high + 1, item) - 1; }
};

// The tile of this block; to be called by all of its threads, once. `meet(warp, item, key)` is called by all lanes of
// warp 0 with the first item, of warp 1 with the last one.
template <class Meet>
__device__ inline KeyTile open_tile(const i64* starts, i64 n_keys, i64 n, Meet meet) {
  __shared__ i64 keys[2];
  const i64 begin = static_cast<i64>(blockIdx.x) * SEARCH_TILE;
  const i64 end = min(begin + SEARCH_TILE, n);
  if (warp_of() < 2) {
    const i64 item = warp_of() == 0 ? begin : end - 1;
    const i64 key = warp_first_above(starts, 0, n_keys, item) - 1;
    if (lane_of() == 0) keys[warp_of()] = key;
    meet(warp_of(), item, key);
  }
  __syncthreads();
  return {begin, end, keys[0], keys[1]};
}

// Keys of a tile's items: `store(item, key)`.
template <class Store>
__device__ inline void find_keys(const i64* starts, i64 n_keys, i64 n, Store store) {
  const KeyTile tile = open_tile(starts, n_keys, n, [](u32, i64, i64) {});
  for (i64 item = tile.begin + threadIdx.x; item < tile.end; item += blockDim.x) {
    store(item, tile.key_of(starts, item));
  }
}

// For each query of a tile the first place among its key's values that is above `bound(query)`, else the place after
// them: `store(query, start, place)`, `start` being the first place of the key. Values never decrease within a key;
// where bounds do not fall from one query of a key to the next, the answers of the tile's ends enclose all others.
template <class Bound, class Store>
__device__ inline void search_tile(
    const i64* starts, const i64* values, const i64* query_starts, i64 n_keys, i64 n, Bound bound, Store store) {
  __shared__ i64 guesses[2];
  const KeyTile tile = open_tile(query_starts, n_keys, n, [&](u32 warp, i64 query, i64 key) {
    const i64 place = warp_first_above(values, starts[key], starts[key + 1], bound(query));
    if (lane_of() == 0) guesses[warp] = place;
  });
  for (i64 query = tile.begin + threadIdx.x; query < tile.end; query += blockDim.x) {
    const i64 key = tile.key_of(query_starts, query);
    const i64 start = starts[key];
    store(query, start, first_above_near(values, start, starts[key + 1], bound(query), guesses[0], guesses[1]));
  }
}
