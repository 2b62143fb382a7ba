// Whether exact sums of windows hold, window by window: where visibility is ordered from prefix counts and tiles of the
// integers, else event by event.
#include "tiles.cuh"

struct Survey {
  i64 count, low, high, unfit;

  __device__ void take(i64 place, const i64* values, bool integral, const bool* kept, f64 factor) {
    if (unfit >= 0 || (kept != nullptr && !kept[place])) return;
    if (!integral && !is_finite(__longlong_as_double(values[place]))) return;
    const Scaled scaled = scale(values[place], integral, factor);
    if (!scaled.fits) unfit = place;
    if (count == 0 || scaled.integer < low) low = scaled.integer;
    if (count == 0 || scaled.integer > high) high = scaled.integer;
    ++count;
  }
};

__device__ inline Survey survey_window(
    i64 query, const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time,
    const i64* values, bool integral, const bool* kept, f64 factor) {
  Survey found = {0, 0, 0, -1};
  for_visible(first[query], last[query], visible_at, query_time[query], [&](i64 place) {
    found.take(place, values, integral, kept, factor);
  });
  if (extra != nullptr && extra[query] >= 0) found.take(extra[query], values, integral, kept, factor);
  return found;
}

// worst: the first query with a value that does not fit, and the first whose sums (or spreads) may leave the exact range.
__device__ inline void judge(i64 query, i64 count, i64 low, i64 high, bool unfit, bool spreads, u64* worst) {
  if (count == 0) return;
  const u64 spread = static_cast<u64>(high) - static_cast<u64>(low);
  const u64 size = max(high > 0 ? magnitude(high) : 0ULL, low < 0 ? magnitude(low) : 0ULL);
  const u64 n = static_cast<u64>(count);
  if (unfit) atomicMin(&worst[0], static_cast<u64>(query));
  if (spreads ? spread > ~0ULL / n : size > static_cast<u64>(MOST) / n) atomicMin(&worst[1], static_cast<u64>(query));
}

extern "C" __global__ void __launch_bounds__(256) survey_events(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 n_queries,
    const i64* values, bool integral, const bool* kept, f64 factor, bool spreads, u64* worst) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const Survey found = survey_window(
      query, first, last, extra, visible_at, query_time, values, integral, kept, factor);
  judge(query, found.count, found.low, found.high, found.unfit >= 0, spreads, worst);
}

// counts: whether a value counts. One that does not fit becomes the largest integer, which no float that fits is.
extern "C" __global__ void __launch_bounds__(256) prepare_survey(
    const i64* values, bool integral, const bool* kept, i64 n, f64 factor, i64* integers, bool* counts) {
  const i64 place = thread_index();
  if (place >= n) return;
  const Scaled scaled = scale(values[place], integral, factor);
  integers[place] = scaled.fits ? scaled.integer : MOST;
  counts[place] = (kept == nullptr || kept[place]) && (integral || is_finite(__longlong_as_double(values[place])));
}

// kinds are `counts`; before: how many of them come before each place. 16 bytes of the window, 16 of counts and 32 of
// stretches a query.
extern "C" __global__ void __launch_bounds__(256) survey_ranges(
    const i64* first, const i64* last, const i64* extra, i64 n_queries, const i64* integers, bool integral,
    const i8* kinds, const i64* before, const i64* low_stretches, const i64* low_table, const i64* high_stretches,
    const i64* high_table, i64 n_tiles, bool spreads, u64* worst) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const i64 begin = first[query], end = last[query];
  i64 count = before[end] - before[begin], low = MOST, high = MOST;  // of flipped integers
  const auto compare = [&](i64 place) {
    low = min(low, order_at(integers, true, kinds, place, 0));
    high = min(high, order_at(integers, true, kinds, place, -1));
  };
  if (end - begin < TILE_PLACES) {
    for (i64 place = begin; place < end; ++place) compare(place);
  } else {
    low = Side{low_stretches, low_table, n_tiles}.range(begin, end);
    high = Side{high_stretches, high_table, n_tiles}.range(begin, end);
  }
  if (extra != nullptr && extra[query] >= 0) {
    count += kinds[extra[query]];
    compare(extra[query]);
  }
  high = bits_at(high, true, -1);
  judge(query, count, low, high, !integral && high == MOST, spreads, worst);
}

// The same of one query, in words: count, smallest, largest, place of a value that does not fit. One thread.
extern "C" __global__ void survey_one(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 query,
    const i64* values, bool integral, const bool* kept, f64 factor, i64* report) {
  const Survey found = survey_window(
      query, first, last, extra, visible_at, query_time, values, integral, kept, factor);
  report[0] = found.count;
  report[1] = found.low;
  report[2] = found.high;
  report[3] = found.unfit;
}
