// Different categories of windows: an event counts where the previous one of its category comes before the window.
#include "requests.cuh"
#include "search.cuh"
#include "unseen.cuh"
#include "wavelet.cuh"

// What the events are sorted by: their category, after all categories if they have none.
extern "C" __global__ void __launch_bounds__(256) category_keys(const i32* codes, i64 n, i64 n_codes, u64* keys) {
  const i64 place = thread_index();
  if (place < n) keys[place] = static_cast<u64>(codes[place] < 0 ? n_codes : codes[place]);
}

// For each event the place of the previous one of its category, of whatever key, from 1 on; 0 where it is the first one,
// and `never` where it has no category. Keys come sorted, the places of a category ascending. `slots`, where it is not
// null, gets the row of each place.
extern "C" __global__ void __launch_bounds__(256) link_previous(
    const u64* keys, const i32* places, i64 n, i64 n_codes, u32 never, u32* previous, i32* slots) {
  const i64 row = thread_index();
  if (row >= n) return;
  const i64 place = places == nullptr ? row : places[row];
  u32 link = 0;
  if (keys[row] == static_cast<u64>(n_codes)) {
    link = never;
  } else if (row > 0 && keys[row - 1] == keys[row]) {
    link = static_cast<u32>(places == nullptr ? row : places[row - 1] + 1);
  }
  previous[place] = link;
  if (slots != nullptr) slots[place] = static_cast<i32>(row);
}

// Links from the group's start on: 0 where the previous event is another key's; `most` where there was `never`.
extern "C" __global__ void __launch_bounds__(256) bound_links(
    const i64* starts, i64 n_keys, i64 n, u32 never, u32 most, u32* previous) {
  find_keys(starts, n_keys, n, [&](i64 place, i64 key) {
    const i64 link = previous[place], start = starts[key];
    previous[place] = link == never ? most : link > start ? static_cast<u32>(link - start) : 0;
  });
}

namespace {

// Events by category, the places of each ascending.
struct Sorted {
  const u64* keys;
  const i32* places;  // null where they are in their own order
  i64 n;

  __device__ i64 place_of(i64 row) const { return places == nullptr ? row : places[row]; }

  // The first row of a category whose place is not before `begin`, else the row after the category.
  __device__ i64 find(u64 key, i64 begin) const {
    i64 low = 0, high = n;
    while (low < high) {
      const i64 middle = low + (high - low) / 2;
      if (keys[middle] < key || (keys[middle] == key && place_of(middle) < begin)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  // Whether a category is seen in a window: from a row on, at a place before `end`. Without `visible_at` all is visible.
  __device__ bool is_seen(u64 key, i64 row, i64 end, const i64* visible_at, i64 now) const {
    for (; row < n && keys[row] == key && place_of(row) < end; ++row) {
      if (visible_at == nullptr || visible_at[place_of(row)] <= now) return true;
    }
    return false;
  }
};

}  // namespace

// Categories of the whole range, less those of which nothing is visible yet, and the own event's where it is another.
// A category that is not seen is met at its first event of the range, and each of its events is looked at once.
extern "C" __global__ void __launch_bounds__(256) count_distinct(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 n_queries,
    const u64* words, i64 n_words, i64 n_levels, const i64* zeros, const i64* starts, i64 n_keys, const i32* codes,
    const u64* keys, const i32* places, i64 n_events, const i32* slots, const i64* latest, const i64* statistics,
    const i64* rows, const f64* parameters, const f64* empty, i64 n_requests, f32* narrow, f64* wide) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const Sorted sorted{keys, places, n_events};
  const i64 begin = first[query], end = last[query], now = query_time[query];
  i64 distinct = 0;
  if (begin < end) {
    const Wavelet previous{reinterpret_cast<const RankedWord*>(words), zeros, n_words, n_levels};
    const i64 start = starts[first_above(starts, 0, n_keys + 1, begin) - 1];
    distinct = previous.count_below(begin, end, static_cast<u64>(begin - start + 1));
  }
  if (visible_at != nullptr) {
    const Unseen unseen{visible_at, latest, n_events};
    unseen.for_each(begin, end, now, [&](i64 place) {
      if (codes[place] < 0) return;
      const u64 key = static_cast<u64>(codes[place]);
      const i64 row = slots[place];
      if (row > 0 && keys[row - 1] == key && sorted.place_of(row - 1) >= begin) return;
      if (!sorted.is_seen(key, row, end, visible_at, now)) --distinct;
    });
  }
  const i64 own = extra == nullptr ? -1 : extra[query];
  if (own >= 0 && codes[own] >= 0) {
    const u64 key = static_cast<u64>(codes[own]);
    if (!sorted.is_seen(key, sorted.find(key, begin), end, visible_at, now)) ++distinct;
  }
  const Requests requests{statistics, rows, parameters, empty, n_requests, narrow, wide, n_queries};
  requests.write(query, [&](i64, f64, f64) { return static_cast<f64>(distinct); });
}
