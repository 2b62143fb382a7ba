// The ends of windows: first, last, the values before it and how long ago it was.
#include "windows.cuh"

// Of Statistic, as in arrays.py.
constexpr i64 DIFF = 13, RATIO = 14, SINCE_LAST = 15;
constexpr i64 OLDEST = -1;

// Places of values that are not null. 1 byte a place, and 16 more of such a one.
extern "C" __global__ void __launch_bounds__(256) keep_places(
    const bool* valid, const i64* before, i64 n, i64* kept) {
  const i64 place = thread_index();
  if (place < n && valid[place]) kept[before[place]] = place;
}

// What a window keeps: the values [low, high) of `kept`, as far as they are visible, and then the place `own`, or -1.
struct Kept {
  const i64* kept;
  const i64* visible_at;
  i64 now, low, high, own;

  __device__ i64 place_of(i64 here) const { return kept == nullptr ? here : kept[here]; }
  __device__ bool sees(i64 here) const { return visible_at == nullptr || visible_at[place_of(here)] <= now; }

  // Place of the value so many back from the newest, or of the oldest; -1 where there is none.
  __device__ i64 find(i64 depth) const {
    if (depth == OLDEST) {
      for (i64 here = low; here < high; ++here) {
        if (sees(here)) return place_of(here);
      }
      return own;
    }
    if (own >= 0 && depth == 0) return own;
    i64 left = own >= 0 ? depth - 1 : depth;
    if (visible_at == nullptr) return left < high - low ? place_of(high - 1 - left) : -1;
    for (i64 here = high - 1; here >= low; --here) {
      if (sees(here) && left-- == 0) return place_of(here);
    }
    return -1;
  }
};

// Left - right, rounded once: the distance of two integers always fits 64 bits without a sign.
__device__ inline f64 difference(i64 left, i64 right, bool integral) {
  if (!integral) return __longlong_as_double(left) - __longlong_as_double(right);
  const u64 distance = left >= right ? static_cast<u64>(left) - static_cast<u64>(right)
                                     : static_cast<u64>(right) - static_cast<u64>(left);
  return (left >= right ? 1.0 : -1.0) * static_cast<f64>(distance);
}

// statistics, depths: int64 a request; parameters, empties: float64 a request. A query: 16 bytes of the window and 8 of
// its time, 16 of `before` where values are null, 8 or 16 of `kept`, 8 or 16 of values, and its results.
extern "C" __global__ void __launch_bounds__(256) aggregate_ends(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 n_queries,
    const i64* event_time, const i64* values, bool integral, const i64* kept, const i64* before, const i64* statistics,
    const i64* depths, const f64* parameters, const f64* empties, i64 n_requests, f32* narrow, f64* wide) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const i64 begin = first[query], end = last[query];
  Kept window = {kept, visible_at, query_time[query], begin, end, extra == nullptr ? -1 : extra[query]};
  if (before != nullptr) {
    window.low = before[begin];
    window.high = before[end];
    if (window.own >= 0 && before[window.own + 1] == before[window.own]) window.own = -1;
  }
  const Results out = {narrow, wide, n_queries};
  for (i64 row = 0; row < n_requests; ++row) {
    const i64 statistic = statistics[row];
    const bool is_pair = statistic == DIFF || statistic == RATIO;
    const i64 place = window.find(depths[row]);
    const i64 earlier = is_pair && place >= 0 ? window.find(depths[row] + 1) : place;
    f64 result = empties[row];
    if (earlier >= 0) {
      if (statistic == SINCE_LAST) {
        result = static_cast<f64>(window.now - event_time[place]) / parameters[row];
      } else if (statistic == DIFF) {
        result = difference(values[place], values[earlier], integral);
      } else {
        result = to_float(values[place], integral);
        if (statistic == RATIO) result = result / to_float(values[earlier], integral);
      }
    }
    out.put(row, query, result);
  }
}
