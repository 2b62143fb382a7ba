// XXH64, a thread a value; see the reference for the algorithm and its source.
#include "common.cuh"

namespace {

constexpr u64 PRIME_1 = 0x9E3779B185EBCA87ULL;
constexpr u64 PRIME_2 = 0xC2B2AE3D27D4EB4FULL;
constexpr u64 PRIME_3 = 0x165667B19E3779F9ULL;
constexpr u64 PRIME_4 = 0x85EBCA77C2B2AE63ULL;
constexpr u64 PRIME_5 = 0x27D4EB2F165667C5ULL;

__device__ inline u64 rotated(u64 value, u32 bits) { return (value << bits) | (value >> (64 - bits)); }
__device__ inline u64 round_of(u64 lane, u64 word) { return rotated(lane + word * PRIME_2, 31) * PRIME_1; }
__device__ inline u64 with_word(u64 mixed, u64 word) {
  return rotated(mixed ^ round_of(0, word), 27) * PRIME_1 + PRIME_4;
}
__device__ inline u64 avalanche(u64 mixed) {
  mixed = (mixed ^ (mixed >> 33)) * PRIME_2;
  mixed = (mixed ^ (mixed >> 29)) * PRIME_3;
  return mixed ^ (mixed >> 32);
}

// Bytes that are read in aligned words where those lie inside the data, and one by one at its ends.
struct Bytes {
  const u8* data;
  i64 n_bytes;

  __device__ u64 half(i64 at) const {
    return static_cast<u64>(data[at]) | static_cast<u64>(data[at + 1]) << 8 | static_cast<u64>(data[at + 2]) << 16 |
           static_cast<u64>(data[at + 3]) << 24;
  }

  __device__ u64 word(i64 at) const {
    const u32 beside = static_cast<u32>(reinterpret_cast<u64>(data + at) & 7);
    const i64 aligned = at - beside;
    if (aligned < 0 || aligned + 16 > n_bytes) return half(at) | half(at + 4) << 32;
    const u64* const words = reinterpret_cast<const u64*>(data + aligned);
    return beside == 0 ? words[0] : words[0] >> (8 * beside) | words[1] << (64 - 8 * beside);
  }
};

__device__ inline u64 long_start(Bytes bytes, i64& at, i64 end, u64 seed) {
  u64 first = seed + PRIME_1 + PRIME_2, second = seed + PRIME_2, third = seed, fourth = seed - PRIME_1;
  for (; end - at >= 32; at += 32) {
    first = round_of(first, bytes.word(at));
    second = round_of(second, bytes.word(at + 8));
    third = round_of(third, bytes.word(at + 16));
    fourth = round_of(fourth, bytes.word(at + 24));
  }
  u64 mixed = rotated(first, 1) + rotated(second, 7) + rotated(third, 12) + rotated(fourth, 18);
  mixed = (mixed ^ round_of(0, first)) * PRIME_1 + PRIME_4;
  mixed = (mixed ^ round_of(0, second)) * PRIME_1 + PRIME_4;
  mixed = (mixed ^ round_of(0, third)) * PRIME_1 + PRIME_4;
  return (mixed ^ round_of(0, fourth)) * PRIME_1 + PRIME_4;
}

}  // namespace

extern "C" __global__ void __launch_bounds__(256) hash_integers(const i64* values, i64 n, u64 seed, u64* hashes) {
  const i64 row = thread_index();
  if (row < n) hashes[row] = avalanche(with_word(seed + PRIME_5 + 8, static_cast<u64>(values[row])));
}

extern "C" __global__ void __launch_bounds__(256) hash_strings(
    const i64* offsets, i64 n, const u8* data, i64 n_bytes, u64 seed, u64* hashes) {
  const i64 row = thread_index();
  if (row >= n) return;
  const Bytes bytes{data, n_bytes};
  i64 at = offsets[row];
  const i64 end = offsets[row + 1];
  const u64 size = static_cast<u64>(end - at);
  u64 mixed = size >= 32 ? long_start(bytes, at, end, seed) : seed + PRIME_5;
  mixed += size;
  for (; end - at >= 8; at += 8) mixed = with_word(mixed, bytes.word(at));
  if (end - at >= 4) {
    mixed = rotated(mixed ^ bytes.half(at) * PRIME_1, 23) * PRIME_2 + PRIME_3;
    at += 4;
  }
  for (; at < end; ++at) mixed = rotated(mixed ^ data[at] * PRIME_5, 11) * PRIME_1;
  hashes[row] = avalanche(mixed);
}
