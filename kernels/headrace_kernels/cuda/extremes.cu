// Smallest and largest values of windows, and the distance between them.
#include "tiles.cuh"

struct Extremes {
  i64 low, high;
  bool seen, has_nan;
};

// A query: 16 bytes of the window; 16 of stretches a side, or 8 a value of a window shorter than a tile; 16 a row of marks;
// and its results. Neighbours share most of what they read, and nearly all of tables.
extern "C" __global__ void __launch_bounds__(256) aggregate_extremes(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 n_queries,
    const i64* values, bool integral, const i8* kinds, const i64* marks, i64 n_marks, bool has_specials,
    const i64* low_stretches, const i64* low_table, const i64* high_stretches, const i64* high_table, i64 n_tiles,
    i64 min_row, i64 max_row, i64 range_row, f64 min_empty, f64 max_empty, f64 range_empty, f32* narrow, f64* wide) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const i64 begin = first[query], end = last[query];
  Extremes found = {MOST, MOST, false, false};
  const auto compare = [&](i64 place) {
    found.low = min(found.low, order_at(values, integral, kinds, place, 0));
    found.high = min(found.high, order_at(values, integral, kinds, place, -1));
  };
  const auto take = [&](i64 place) {
    compare(place);
    found.seen = found.seen || kinds == nullptr || kinds[place] != NULL_VALUE;
    found.has_nan = found.has_nan || (kinds != nullptr && kinds[place] == NAN_VALUE);
  };
  if (visible_at != nullptr) {
    for_visible(begin, end, visible_at, query_time[query], take);
  } else if (begin < end) {
    found.seen = marks == nullptr || marks[end] > marks[begin];
    found.has_nan = has_specials && marks[n_marks + end] > marks[n_marks + begin];
    if (end - begin < TILE_PLACES) {
      for (i64 place = begin; place < end; ++place) compare(place);
    } else {
      if (low_stretches != nullptr) found.low = Side{low_stretches, low_table, n_tiles}.range(begin, end);
      if (high_stretches != nullptr) found.high = Side{high_stretches, high_table, n_tiles}.range(begin, end);
    }
  }
  if (extra != nullptr && extra[query] >= 0) take(extra[query]);

  const Results out = {narrow, wide, n_queries};
  const i64 low_bits = bits_at(found.low, integral, 0), high_bits = bits_at(found.high, integral, -1);
  f64 low = to_float(low_bits, integral), high = to_float(high_bits, integral);
  f64 range = integral ? static_cast<f64>(static_cast<u64>(high_bits) - static_cast<u64>(low_bits)) : high - low;
  if (found.has_nan) low = high = range = not_a_number();
  out.put(min_row, query, found.seen ? low : min_empty);
  out.put(max_row, query, found.seen ? high : max_empty);
  out.put(range_row, query, found.seen ? range : range_empty);
}
