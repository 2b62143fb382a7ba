// Questions to a wavelet matrix, answered by one thread each: what wavelet.cu builds, other kernels read.
#pragma once

#include "common.cuh"

// 64 bits of a level, and how many ones there are before them; one load.
struct alignas(16) RankedWord {
  u64 bits;
  u64 before;
};

struct Wavelet {
  const RankedWord* words;  // [n_levels][n_words], the highest bit's level first
  const i64* zeros;         // of each level
  i64 n_words;
  i64 n_levels;

  __device__ __forceinline__ i64 ones_before(i64 level, i64 place) const {
    const RankedWord word = words[level * n_words + (place >> 6)];
    return static_cast<i64>(word.before) + __popcll(word.bits & ((1ULL << (place & 63)) - 1));
  }

  // How many of the values at [first, last) are below a bound.
  __device__ __forceinline__ i64 count_below(i64 first, i64 last, u64 bound) const {
    if (bound >> n_levels) return last - first;
    i64 count = 0;
    for (i64 level = 0; level < n_levels && first < last; ++level) {
      const i64 ones_first = ones_before(level, first), ones_last = ones_before(level, last);
      if (bound >> (n_levels - 1 - level) & 1) {
        count += (last - ones_last) - (first - ones_first);
        first = zeros[level] + ones_first;
        last = zeros[level] + ones_last;
      } else {
        first -= ones_first;
        last -= ones_last;
      }
    }
    return count;
  }

  // The value of a place.
  __device__ __forceinline__ u64 at(i64 place) const {
    u64 value = 0;
    for (i64 level = 0; level < n_levels; ++level) {
      const i64 ones = ones_before(level, place);
      const u64 bit = words[level * n_words + (place >> 6)].bits >> (place & 63) & 1;
      place = bit ? zeros[level] + ones : place - ones;
      value = value << 1 | bit;
    }
    return value;
  }

  // The value that `smaller` values at [first, last) come before, in ascending order; there must be more than so many.
  // `next` becomes the value after it, where there is one; no two values of the range may be equal then.
  __device__ __forceinline__ u64 find(i64 first, i64 last, i64 smaller, u64& next) const {
    u64 value = 0;
    i64 next_level = n_levels, next_first = 0, next_last = 0;  // the last way to larger values that was not taken
    for (i64 level = 0; level < n_levels; ++level) {
      const i64 ones_first = ones_before(level, first), ones_last = ones_before(level, last);
      const i64 n_zeros = (last - ones_last) - (first - ones_first);
      if (smaller < n_zeros) {
        if (ones_first < ones_last) {
          next_level = level;
          next_first = zeros[level] + ones_first;
          next_last = zeros[level] + ones_last;
        }
        first -= ones_first;
        last -= ones_last;
        value <<= 1;
      } else {
        smaller -= n_zeros;
        first = zeros[level] + ones_first;
        last = zeros[level] + ones_last;
        value = value << 1 | 1;
      }
    }
    if (next_level < n_levels) {
      next = smallest(next_level + 1, next_first, next_last, value >> (n_levels - 1 - next_level) | 1);
    }
    return value;
  }

  // The same, where some values of the range do not count: `hidden(shift, prefix)` says how many of those whose higher
  // bits, value >> shift, are the prefix.
  template <class Hidden>
  __device__ __forceinline__ u64 find_without(i64 first, i64 last, i64 smaller, Hidden hidden) const {
    u64 value = 0;
    for (i64 level = 0; level < n_levels; ++level) {
      const i64 ones_first = ones_before(level, first), ones_last = ones_before(level, last);
      const i64 n_zeros = (last - ones_last) - (first - ones_first) - hidden(n_levels - 1 - level, value << 1);
      const bool goes_right = smaller >= n_zeros;
      if (goes_right) smaller -= n_zeros;
      first = goes_right ? zeros[level] + ones_first : first - ones_first;
      last = goes_right ? zeros[level] + ones_last : last - ones_last;
      value = value << 1 | (goes_right ? 1 : 0);
    }
    return value;
  }

  // The smallest value of a range of a level, whose higher bits are known.
  __device__ __forceinline__ u64 smallest(i64 level, i64 first, i64 last, u64 value) const {
    for (; level < n_levels; ++level) {
      const i64 ones_first = ones_before(level, first), ones_last = ones_before(level, last);
      const bool only_ones = last - first == ones_last - ones_first;
      first = only_ones ? zeros[level] + ones_first : first - ones_first;
      last = only_ones ? zeros[level] + ones_last : last - ones_last;
      value = value << 1 | (only_ones ? 1 : 0);
    }
    return value;
  }
};
