// Quantiles of windows: ranks among the values of a key, and the k-th smallest rank of a window.
#include "requests.cuh"
#include "unseen.cuh"
#include "wavelet.cuh"

namespace {

// A column of either dtype, one of the two is null, and what is not null in it.
struct Values {
  const f64* floats;
  const i64* integers;
  const bool* valid;

  // Zero has no sign.
  __device__ f64 at(i64 place) const {
    return (floats != nullptr ? floats[place] : static_cast<f64>(integers[place])) + 0.0;
  }
  __device__ bool is_null(i64 place) const { return valid != nullptr && !valid[place]; }
};

// Values that are neither null nor NaN before a place, and NaN, from what packs both.
__device__ inline i64 kept_of(i64 packed) { return packed & 0xffffffffLL; }
__device__ inline i64 nans_of(i64 packed) { return packed >> 32; }

// Numbers in the order of the values, of which none is NaN.
__device__ inline u64 sortable(f64 value) {
  const u64 bits = static_cast<u64>(__double_as_longlong(value));
  return bits >> 63 ? ~bits : bits | 1ULL << 63;
}

__device__ inline f64 between(f64 low, f64 high, f64 fraction) {
  const f64 difference = high - low;
  if (!is_finite(difference) && !is_nan(difference)) return low * (1.0 - fraction) + high * fraction;
  if (fraction >= 0.5) return high - difference * (1.0 - fraction);
  return low + difference * fraction;
}

}  // namespace

// 1 for a value, 2**32 for NaN, 0 for null.
extern "C" __global__ void __launch_bounds__(256) classify_values(
    const f64* floats, const i64* integers, const bool* valid, i64 n, i64* kinds) {
  const i64 place = thread_index();
  if (place >= n) return;
  const Values values{floats, integers, valid};
  kinds[place] = values.is_null(place) ? 0 : is_nan(values.at(place)) ? 1LL << 32 : 1;
}

// Values to be sorted, with their places, and the bits in which one of them differs from whatever is at place 0.
extern "C" __global__ void __launch_bounds__(256) collect_values(
    const f64* floats, const i64* integers, const i64* before, i64 n, u64* keys, i32* places, u64* differing) {
  const i64 place = thread_index();
  if (place >= n || kept_of(before[place]) == kept_of(before[place + 1])) return;
  const Values values{floats, integers, nullptr};
  const u64 key = sortable(values.at(place));
  const i64 row = kept_of(before[place]);
  keys[row] = key;
  places[row] = static_cast<i32>(place);
  const u64 bits = key ^ sortable(values.at(0));
  if ((bits & ~*differing) != 0) atomicOr(differing, bits);  // looked at first: few threads then need the one address
}

extern "C" __global__ void __launch_bounds__(256) take_groups(const i32* groups, const i32* places, i64 n, u64* keys) {
  const i64 row = thread_index();
  if (row < n) keys[row] = static_cast<u64>(groups[places[row]]);
}

// Rank of each value in its group, in the order of the places, and values by rank. Rows come by group and value. `copy`
// gets the ranks as well, where it is not null.
extern "C" __global__ void __launch_bounds__(256) rank_values(
    const i32* places, const i64* before, i64 n, const i64* starts, i64 n_keys, const f64* floats, const i64* integers,
    u32* ranks, u32* copy, f64* ranked) {
  const i64 row = thread_index();
  if (row >= n) return;
  const Values values{floats, integers, nullptr};
  const i64 place = places[row];
  const i64 start = starts[first_above(starts, 0, n_keys + 1, place) - 1];
  const i64 kept = kept_of(before[place]);
  ranks[kept] = static_cast<u32>(row - kept_of(before[start]));
  if (copy != nullptr) copy[kept] = ranks[kept];
  ranked[row] = values.at(place);
}

extern "C" __global__ void __launch_bounds__(128, 6) interpolate(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 n_queries,
    const u64* words, i64 n_words, i64 n_levels, const i64* zeros, const i64* starts, i64 n_keys, const i64* before,
    const f64* ranked, const u32* rank_of, const i64* latest, i64 n_events, const i64* statistics, const i64* rows,
    const f64* parameters, const f64* empty, i64 n_requests, f32* narrow, f64* wide) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const Wavelet ranks{reinterpret_cast<const RankedWord*>(words), zeros, n_words, n_levels};
  const i64 own = extra == nullptr ? -1 : extra[query];
  const i64 packed_begin = before[first[query]], packed_end = before[last[query]];
  const i64 begin = kept_of(packed_begin), end = kept_of(packed_end);
  i64 inside = end - begin, n_nans = nans_of(packed_end) - nans_of(packed_begin);
  const Unseen unseen{visible_at, latest, n_events};
  // Calls `each(rank)` for the values of the range that the query does not see yet.
  const auto for_unseen = [&](auto each) {
    if (visible_at == nullptr) return;
    unseen.for_each(first[query], last[query], query_time[query], [&](i64 place) {
      const i64 row = kept_of(before[place]);
      if (kept_of(before[place + 1]) > row) each(rank_of[row]);
    });
  };
  for_unseen([&](u32) { --inside; });
  if (visible_at != nullptr && n_nans > 0) {
    unseen.for_each(first[query], last[query], query_time[query], [&](i64 place) {
      n_nans -= nans_of(before[place + 1]) - nans_of(before[place]);
    });
  }
  i64 own_order = -1;  // values of the window before the query's own one
  u64 own_rank = 0;
  if (own >= 0) {
    const i64 at = kept_of(before[own]);
    n_nans += nans_of(before[own + 1]) - nans_of(before[own]);
    if (kept_of(before[own + 1]) > at) {
      own_rank = ranks.at(at);
      own_order = ranks.count_below(begin, end, own_rank);
      for_unseen([&](u64 rank) { own_order -= rank < own_rank ? 1 : 0; });
      ++inside;
    }
  }
  const i64 some = begin < end ? first[query] : own;  // a place of the key, if there is a value at all
  const f64* values = ranked;
  if (inside > 0) values += kept_of(before[starts[first_above(starts, 0, n_keys + 1, some) - 1]]);
  const Requests requests{statistics, rows, parameters, empty, n_requests, narrow, wide, n_queries};
  requests.write(query, [&](i64, f64 probability, f64 nothing) {
    if (n_nans > 0) return not_a_number();
    if (inside == 0) return nothing;
    const f64 position = probability * static_cast<f64>(inside - 1);
    const i64 below = static_cast<i64>(position);
    const f64 fraction = position - static_cast<f64>(below);
    const bool own_is_low = below == own_order, own_is_next = below + 1 == own_order;
    const i64 smaller = own_order >= 0 && below > own_order ? below - 1 : below;  // than the first that is looked for
    u64 low = own_rank, next = own_rank;
    if (visible_at == nullptr) {
      if (!own_is_low || fraction > 0.0) low = ranks.find(begin, end, smaller, next);
      if (own_is_low) {
        next = low;
        low = own_rank;
      }
      if (own_is_next) next = own_rank;
    } else {
      for (u32 which = own_is_low ? 1 : 0; which < (fraction > 0.0 && !own_is_next ? 2 : 1); ++which) {
        const u64 found = ranks.find_without(begin, end, smaller + (own_is_low ? 0 : which), [&](i64 shift, u64 prefix) {
          i64 count = 0;
          for_unseen([&](u64 rank) { count += rank >> shift == prefix ? 1 : 0; });
          return count;
        });
        if (which == 0) low = found;
        if (which == 1) next = found;
      }
    }
    const f64 result = values[low];
    if (!(fraction > 0.0)) return result;
    const f64 high = values[next];
    return high != result ? between(result, high, fraction) : result;
  });
}
