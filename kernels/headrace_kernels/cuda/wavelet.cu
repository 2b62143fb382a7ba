// A wavelet matrix, built level by level: a warp reads 64 neighbouring items, keeps one bit of each, and moves the items
// so that those with a zero come first, both in the order they were in.
#include "wavelet.cuh"

namespace {

constexpr i64 WORD = 64;

// The warp's word, and this lane's two items of it.
__device__ inline i64 warp_index() { return thread_index() >> 5; }

}  // namespace

// Bits of a level, and how many of each word are ones.
extern "C" __global__ void __launch_bounds__(256) mark_level(
    const u32* values, i64 n, i64 shift, u64* words, i64 n_words, i64* counts) {
  const i64 word = warp_index();
  if (word >= n_words) return;
  u64 bits = 0;
  for (u32 half = 0; half < 2; ++half) {
    const i64 place = word * WORD + half * 32 + lane_of();
    const u32 found = __ballot_sync(ALL_LANES, place < n && (values[place] >> shift & 1));
    bits |= static_cast<u64>(found) << (32 * half);
  }
  if (lane_of() != 0) return;
  words[2 * word] = bits;
  counts[word] = __popcll(bits);
}

// How many ones are before each word and how many zeros there are; the items in the next level's order, where there is
// one (`moved` may be null).
extern "C" __global__ void __launch_bounds__(256) move_level(
    const u32* values, i64 n, u64* words, i64 n_words, const i64* before, i64 level, i64* zeros, u32* moved) {
  const i64 word = warp_index();
  if (word >= n_words) return;
  const u64 bits = words[2 * word];
  const i64 earlier = before[word], n_zeros = n - before[n_words];
  if (lane_of() == 0) words[2 * word + 1] = static_cast<u64>(earlier);
  if (lane_of() == 0 && word == 0) zeros[level] = n_zeros;
  if (moved == nullptr) return;
  for (u32 half = 0; half < 2; ++half) {
    const u32 bit = half * 32 + lane_of();
    const i64 place = word * WORD + bit;
    if (place >= n) return;
    const i64 ones = earlier + __popcll(bits & ((1ULL << bit) - 1));
    moved[bits >> bit & 1 ? n_zeros + ones : place - ones] = values[place];
  }
}

extern "C" __global__ void __launch_bounds__(256) count_below(
    const u64* words, i64 n_words, i64 n_levels, const i64* zeros, const i64* first, const i64* last, const i64* bounds,
    i64 n, i64* counts) {
  const i64 row = thread_index();
  if (row >= n) return;
  const Wavelet wavelet{reinterpret_cast<const RankedWord*>(words), zeros, n_words, n_levels};
  counts[row] = wavelet.count_below(first[row], last[row], static_cast<u64>(bounds[row]));
}

extern "C" __global__ void __launch_bounds__(256) find_values(
    const u64* words, i64 n_words, i64 n_levels, const i64* zeros, const i64* first, const i64* last,
    const i64* smaller, i64 n, i64* found) {
  const i64 row = thread_index();
  if (row >= n) return;
  const Wavelet wavelet{reinterpret_cast<const RankedWord*>(words), zeros, n_words, n_levels};
  u64 next = 0;
  found[row] = static_cast<i64>(wavelet.find(first[row], last[row], smaller[row], next));
}

extern "C" __global__ void __launch_bounds__(256) measure_groups(const i64* starts, i64 n_groups, i64* longest) {
  const i64 group = thread_index();
  if (group >= n_groups) return;
  const i64 length = starts[group + 1] - starts[group];
  if (length > *longest) atomicMax(longest, length);  // looked at first: few threads then need the one address
}
