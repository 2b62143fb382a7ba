// Values as integers that order as they do, so that smallest and largest values are one search; tiles of them.
#pragma once

#include "windows.cuh"

constexpr i64 TILE_PLACES = 16;

// Integers are their own order. The bits of floats are, once negative ones run the other way; minus zero is zero.
__device__ inline i64 order_of_float(i64 bits) { return bits ^ (bits >> 63 & MOST); }

// What is not there or NaN comes last. `flip` is 0 for smallest values, -1 for largest: then they come first.
__device__ inline i64 order_at(const i64* values, bool integral, const i8* kinds, i64 place, i64 flip) {
  if (kinds != nullptr && (kinds[place] == NULL_VALUE || kinds[place] == NAN_VALUE)) return MOST;
  if (integral) return values[place] ^ flip;
  return order_of_float(__double_as_longlong(__longlong_as_double(values[place]) + 0.0)) ^ flip;
}

// Back to the bits of a value.
__device__ inline i64 bits_at(i64 order, bool integral, i64 flip) {
  return integral ? order ^ flip : order_of_float(order ^ flip);
}

// Extremes of one side: of the TILE_PLACES values from each place on, and of runs of whole tiles. Null where nobody asks for
// the side.
struct Side {
  const i64* stretches;
  const i64* table;
  i64 n_tiles;

  // Of [begin, end), which is no shorter than a tile: its first and its last stretch, and the tiles within.
  __device__ i64 range(i64 begin, i64 end) const {
    i64 found = min(stretches[begin], stretches[end - TILE_PLACES]);
    const i64 next = begin / TILE_PLACES + 1, stop = end / TILE_PLACES;
    if (next < stop) {
      const i64 level = 63 - __clzll(stop - next);
      const i64* const runs = table + level * n_tiles;
      found = min(found, min(runs[next], runs[stop - (1LL << level)]));
    }
    return found;
  }
};
