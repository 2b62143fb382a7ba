// Where each query's window begins and ends among the events of its key: searches by tiles of queries (search.cuh).
#include "search.cuh"

extern "C" __global__ void __launch_bounds__(256) find_keys_of(const i64* starts, i64 n_keys, i64 n, i32* keys) {
  find_keys(starts, n_keys, n, [&](i64 item, i64 key) { keys[item] = static_cast<i32>(key); });
}

extern "C" __global__ void __launch_bounds__(256) find_visible(
    const i64* event_starts, const i64* limit, const i64* query_starts, i64 n_keys, const i64* query_time, i64 n,
    i64* last) {
  search_tile(
      event_starts, limit, query_starts, n_keys, n, [&](i64 query) { return query_time[query]; },
      [&](i64 query, i64, i64 place) { last[query] = place; });
}

// `oldest` may fall from one query to the next: a search that looks in the wrong place then looks elsewhere.
extern "C" __global__ void __launch_bounds__(256) find_since(
    const i64* event_starts, const i64* event_time, const i64* query_starts, i64 n_keys, const i64* oldest,
    const i64* last, i64 n, i64* first) {
  search_tile(
      event_starts, event_time, query_starts, n_keys, n, [&](i64 query) { return oldest[query] - 1; },
      [&](i64 query, i64, i64 place) { first[query] = min(place, last[query]); });
}

// As find_since, for events later than query time - reach.
extern "C" __global__ void __launch_bounds__(256) find_within(
    const i64* event_starts, const i64* event_time, const i64* query_starts, i64 n_keys, const i64* query_time,
    i64 reach, const i64* last, i64 n, i64* first) {
  search_tile(
      event_starts, event_time, query_starts, n_keys, n, [&](i64 query) { return query_time[query] - reach; },
      [&](i64 query, i64, i64 place) { first[query] = min(place, last[query]); });
}

extern "C" __global__ void __launch_bounds__(256) find_newest(
    const i64* event_starts, const i64* query_starts, i64 n_keys, i64 n_events, const i64* last, i64 n, i64* first) {
  find_keys(query_starts, n_keys, n, [&](i64 query, i64 key) {
    first[query] = max(event_starts[key], last[query] - n_events);
  });
}

// Where what is visible is no prefix: from the newest event back.
extern "C" __global__ void __launch_bounds__(256) find_newest_unordered(
    const i64* event_starts, const i64* visible_at, const i64* query_starts, i64 n_keys, const i64* query_time,
    i64 n_events, const i64* last, i64 n, i64* first) {
  find_keys(query_starts, n_keys, n, [&](i64 query, i64 key) {
    const i64 start = event_starts[key], now = query_time[query];
    i64 place = last[query], newest = place;
    for (i64 missing = n_events; place > start && missing > 0;) {
      --place;
      if (visible_at[place] <= now) {
        newest = place;
        --missing;
      }
    }
    first[query] = newest;
  });
}

// A place, and of two the later one: scanned as a sum is.
struct Latest {
  i64 place;
};
__device__ inline Latest operator+(Latest a, Latest b) { return {max(a.place, b.place)}; }
__device__ inline Latest shuffle_up(Latest value, u32 distance) {
  return {__shfl_up_sync(ALL_LANES, value.place, distance)};
}
__device__ inline Latest shuffle_from(Latest value, u32 lane) { return {__shfl_sync(ALL_LANES, value.place, lane)}; }
constexpr Latest NEVER = {-1};

// The place itself where a session begins. Where a key begins does not matter: the query's key bounds what is found.
__device__ inline Latest session_head(const i64* time, i64 gap, i64 place) {
  const bool joins = place > 0 && time[place] - time[place - 1] <= gap;
  return joins ? NEVER : Latest{place};
}

extern "C" __global__ void __launch_bounds__(256) total_heads(const i64* time, i64 gap, i64 n, i64* totals) {
  total_tile<Latest>(
      n, NEVER, [&](i64 i) { return session_head(time, gap, i); }, reinterpret_cast<Latest*>(totals));
}

// heads: place of the first event of the session that each event belongs to.
extern "C" __global__ void __launch_bounds__(256) scan_heads(
    const i64* time, i64 gap, i64 n, const i64* offsets, i64* heads) {
  scan_tile<Latest>(
      n, NEVER, offsets == nullptr ? NEVER : Latest{offsets[blockIdx.x]},
      [&](i64 i) { return session_head(time, gap, i); },
      [&](i64 i, Latest earlier, Latest here) { heads[i] = (earlier + here).place; });
}

extern "C" __global__ void __launch_bounds__(256) total_latest(const i64* places, i64 n, i64* totals) {
  total_tile<Latest>(n, NEVER, [&](i64 i) { return Latest{places[i]}; }, reinterpret_cast<Latest*>(totals));
}

// The latest of the places before each one, -1 before the first.
extern "C" __global__ void __launch_bounds__(256) scan_latest(
    const i64* places, i64 n, const i64* offsets, i64* before) {
  scan_tile<Latest>(
      n, NEVER, offsets == nullptr ? NEVER : Latest{offsets[blockIdx.x]}, [&](i64 i) { return Latest{places[i]}; },
      [&](i64 i, Latest earlier, Latest) { before[i] = earlier.place; });
}

extern "C" __global__ void __launch_bounds__(256) find_session(
    const i64* event_starts, const i64* event_time, const i64* heads, const i64* query_starts, i64 n_keys,
    const i64* query_time, i64 gap, const i64* last, i64 n, i64* first) {
  find_keys(query_starts, n_keys, n, [&](i64 query, i64 key) {
    const i64 start = event_starts[key], upper = last[query];
    const bool is_open = upper > start && query_time[query] - event_time[upper - 1] <= gap;
    first[query] = is_open ? max(start, heads[upper - 1]) : upper;
  });
}

extern "C" __global__ void __launch_bounds__(256) find_session_unordered(
    const i64* event_starts, const i64* event_time, const i64* visible_at, const i64* query_starts, i64 n_keys,
    const i64* query_time, i64 gap, const i64* last, i64 n, i64* first) {
  find_keys(query_starts, n_keys, n, [&](i64 query, i64 key) {
    const i64 start = event_starts[key], now = query_time[query];
    i64 place = last[query], oldest = place, newer = now;
    while (place > start && newer - event_time[place - 1] <= gap) {
      --place;
      if (visible_at[place] <= now) {
        oldest = place;
        newer = event_time[place];
      }
    }
    first[query] = oldest;
  });
}

// places[row]: where a row of the table stands among the events; none where it was not noted.
extern "C" __global__ void __launch_bounds__(256) forget_places(i64* places, i64 n) {
  const i64 row = thread_index();
  if (row < n) places[row] = -1;
}

extern "C" __global__ void __launch_bounds__(256) note_places(const i64* rows, i64 n, i64* places) {
  const i64 place = thread_index();
  if (place < n) places[rows[place]] = place;
}

extern "C" __global__ void __launch_bounds__(256) look_up_places(
    const i64* rows, i64 first_row, i64 n, const i64* places, i64 n_rows, i64* found) {
  const i64 query = thread_index();
  if (query >= n) return;
  const i64 row = rows[query] + first_row;
  found[query] = row >= 0 && row < n_rows ? places[row] : -1;
}
