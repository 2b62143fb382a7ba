// Around the sort of rows by key and time: how far times reach, both packed into one number, where keys begin, and the
// rows and times in their order.
#include "common.cuh"

// Items of a grid of any size, a warp's lanes side by side. What a thread finds in all of them is put together once, at
// the end: an atomic a warp.
template <class Work>
__device__ inline void for_each_item(i64 n, Work work) {
  for (i64 item = thread_index(); item < n; item += static_cast<i64>(gridDim.x) * blockDim.x) work(item);
}

__device__ inline void raise_flag(bool found, u32* flag) {
  if (__any_sync(ALL_LANES, found) && lane_of() == 0) atomicOr(flag, 1u);
}

// found: the smallest value, the largest one, 1 where one is smaller than the one before, and the bits in which any two
// differ; from (max, min, 0, 0).
extern "C" __global__ void __launch_bounds__(256) span_values(const i64* values, i64 n, i64* found) {
  const i64 first = values[0];
  i64 smallest = first, largest = first;
  u64 differs = 0;
  bool falls = false;
  for_each_item(n, [&](i64 item) {
    const i64 value = values[item];
    differs |= static_cast<u64>(value ^ first);
    smallest = min(smallest, value);
    largest = max(largest, value);
    falls = falls || (item > 0 && values[item - 1] > value);
  });
  for (u32 distance = 16; distance > 0; distance /= 2) {
    smallest = min(smallest, __shfl_xor_sync(ALL_LANES, smallest, distance));
    largest = max(largest, __shfl_xor_sync(ALL_LANES, largest, distance));
    differs |= __shfl_xor_sync(ALL_LANES, differs, distance);
  }
  const bool any_falls = __any_sync(ALL_LANES, falls);
  if (lane_of() > 0) return;
  atomicMin(found, smallest);
  atomicMax(found + 1, largest);
  if (any_falls) atomicMax(found + 2, 1);
  atomicOr(reinterpret_cast<u64*>(found + 3), differs);
}

__device__ inline u64 packed(
    const i32* codes, i64 low, const i64* values, i64 smallest, u32 bits, const i32* ranks, i64 item) {
  const i64 rank = ranks == nullptr ? item : ranks[item];
  const u64 key = codes == nullptr ? 0 : static_cast<u64>(codes[rank] - low);
  const u64 distance = values == nullptr ? 0 : static_cast<u64>(values[rank]) - static_cast<u64>(smallest);
  return bits < 64 ? key << bits | distance : distance;
}

// The key above, and below it, in `bits` bits, the value's distance from the smallest; without codes or values, 0 in
// their place. `falls`: 1 where a number is smaller than the one before.
extern "C" __global__ void __launch_bounds__(256) pack_keys(
    const i32* codes, i64 low, const i64* values, i64 smallest, u32 bits, const i32* ranks, i64 n, u64* keys,
    u32* falls) {
  bool found = false;
  for_each_item(n, [&](i64 item) {
    const u64 key = packed(codes, low, values, smallest, bits, ranks, item);
    found = found || (item > 0 && packed(codes, low, values, smallest, bits, ranks, item - 1) > key);
    keys[item] = key;
  });
  raise_flag(found, falls);
}

// Where each key begins among sorted keys, and how many there are: a search a key, from 0 to n_keys.
extern "C" __global__ void __launch_bounds__(256) key_starts(
    const u64* keys, i64 n, u32 bits, i64 n_keys, i64* starts) {
  const i64 key = thread_index();
  if (key > n_keys) return;
  i64 begin = key == n_keys ? n : 0, end = n;
  while (begin < end) {
    const i64 middle = begin + (end - begin) / 2;
    if (static_cast<i64>(keys[middle] >> bits) < key) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  starts[key] = begin;
}

extern "C" __global__ void __launch_bounds__(256) place_rows(const i32* rows, const i32* ranks, i64 n, i64* placed) {
  const i64 place = thread_index();
  if (place < n) placed[place] = rows[ranks == nullptr ? place : ranks[place]];
}

// Times in order, from the packed keys; `values`, where given, because they did not fit there.
__device__ inline i64 time_at(
    const u64* keys, u32 bits, i64 smallest, const i64* values, const i32* ranks, i64 place) {
  if (values != nullptr) return values[ranks == nullptr ? place : ranks[place]];
  return static_cast<i64>((keys[place] & ((1ULL << bits) - 1)) + static_cast<u64>(smallest));
}

extern "C" __global__ void __launch_bounds__(256) place_times(
    const u64* keys, u32 bits, i64 smallest, const i64* values, const i32* ranks, i64 n, i64* time) {
  const i64 place = thread_index();
  if (place < n) time[place] = time_at(keys, bits, smallest, values, ranks, place);
}

// Times in order and when each event is visible. flags[0]: 1 where events of a key and a time are not in the order of
// (known, sequence); flags[1]: 1 where visibility falls within a key.
extern "C" __global__ void __launch_bounds__(256) place_events(
    const u64* keys, u32 bits, i64 smallest, const i64* values, const i32* ranks, const i64* known, const i64* sequence,
    i64 lag, i64 delay, i64 n, i64* time, i64* visible, u32* flags) {
  bool ties_fall = false, visible_falls = false;
  const auto seen = [&](i64 happened, i64 rank) {
    const i64 earliest = happened + lag;
    return known == nullptr ? earliest : max(earliest, known[rank] + delay);
  };
  for_each_item(n, [&](i64 place) {
    const i64 rank = ranks == nullptr ? place : ranks[place];
    const i64 here = time_at(keys, bits, smallest, values, ranks, place);
    const i64 from = seen(here, rank);
    time[place] = here;
    visible[place] = from;
    if (place == 0 || keys[place - 1] >> bits != keys[place] >> bits || (known == nullptr && sequence == nullptr)) return;
    const i64 previous = ranks == nullptr ? place - 1 : ranks[place - 1];
    const i64 before = time_at(keys, bits, smallest, values, ranks, place - 1);
    visible_falls = visible_falls || seen(before, previous) > from;
    if (before != here) return;
    const i64 earlier = known == nullptr ? 0 : known[previous], later = known == nullptr ? 0 : known[rank];
    const bool sequence_falls = sequence != nullptr && sequence[rank] < sequence[previous];
    ties_fall = ties_fall || later < earlier || (later == earlier && sequence_falls);
  });
  raise_flag(ties_fall, flags);
  raise_flag(visible_falls, flags + 1);
}

extern "C" __global__ void __launch_bounds__(256) shift_times(const i64* time, i64 n, i64 offset, i64* shifted) {
  const i64 place = thread_index();
  if (place < n) shifted[place] = time[place] + offset;
}
