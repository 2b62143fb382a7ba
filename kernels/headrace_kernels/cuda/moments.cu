// Counts, sums, means, variances, deviations and shares of windows from exact integer sums: the CPU kernel's operations,
// one thread a query.
#include "windows.cuh"

struct Inside {
  i64 events, values, nans, above_all, below_all;
  u64 total;
  U128 squares;
};

// Prefix sums and kinds of a column; null what is not there.
struct Prefixes {
  const i8* kinds;
  const i64* marks;
  i64 n_marks;
  bool has_specials;
  const i64* sums;
  const u64* squares;

  __device__ i64 gain(i64 row, i64 begin, i64 end) const {
    return marks[row * n_marks + end] - marks[row * n_marks + begin];
  }

  __device__ Inside range(i64 begin, i64 end) const {
    Inside found = {end - begin, end - begin, 0, 0, 0, 0, {0, 0}};
    if (marks != nullptr) found.values = gain(0, begin, end);
    if (has_specials) {
      found.nans = gain(1, begin, end);
      found.above_all = gain(2, begin, end);
      found.below_all = gain(3, begin, end);
    }
    if (sums != nullptr) found.total = static_cast<u64>(sums[end]) - static_cast<u64>(sums[begin]);
    if (squares != nullptr) {
      const U128* const all = reinterpret_cast<const U128*>(squares);
      found.squares = all[end] - all[begin];
    }
    return found;
  }

  __device__ void add(Inside& found, i64 place) const {
    const i8 kind = kinds == nullptr ? FINITE : kinds[place];
    found.events += 1;
    found.values += kind != NULL_VALUE;
    found.nans += kind == NAN_VALUE;
    found.above_all += kind == ABOVE_ALL;
    found.below_all += kind == BELOW_ALL;
    if (sums == nullptr) return;
    const u64 integer = static_cast<u64>(sums[place + 1]) - static_cast<u64>(sums[place]);
    found.total += integer;
    found.squares = found.squares + square(static_cast<i64>(integer));
  }
};

// Nearest float64, ties to even, of high * 2**64 + low.
__device__ inline f64 nearest(U128 number) {
  if (number.high == 0) return static_cast<f64>(number.low);
  const i64 shift = __clzll(static_cast<i64>(number.high));
  u64 high = number.high, low = number.low;
  if (shift > 0) {
    high = (high << shift) | (low >> (64 - shift));
    low <<= shift;
  }
  if (low != 0) high |= 1;  // below the rounding position of a 64-bit integer: only says "a little more"
  return static_cast<f64>(high) * __longlong_as_double((1023 + 64 - shift) << 52);
}

// (n*Q - S*S) / (n*(n - 1)): the products, both below 2**127, and their difference are exact.
__device__ inline f64 variance_of(i64 count, u64 total, U128 squares) {
  const u64 n = static_cast<u64>(count);
  const U128 left = {n * squares.low, __umul64hi(n, squares.low) + n * squares.high};
  return nearest(left - square(static_cast<i64>(total))) / (static_cast<f64>(count) * static_cast<f64>(count - 1));
}

// A query: 16 bytes of the window; 16 of sums, 32 of squares and 16 a row of marks, of which neighbours share what they
// read; and its results.
extern "C" __global__ void __launch_bounds__(256) aggregate_moments(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 n_queries,
    const i8* kinds, const i64* marks, i64 n_marks, bool has_specials, const i64* sums, const u64* squares, f64 unit,
    i64 count_row, i64 values_row, i64 sum_row, i64 mean_row, i64 var_row, i64 std_row, f64 sum_empty, f64 mean_empty,
    f64 var_empty, f64 std_empty, f32* narrow, f64* wide) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const Prefixes prefixes = {kinds, marks, n_marks, has_specials, sums, squares};
  Inside in = {0, 0, 0, 0, 0, 0, {0, 0}};
  if (visible_at == nullptr) {
    in = prefixes.range(first[query], last[query]);
  } else {
    for_visible(first[query], last[query], visible_at, query_time[query], [&](i64 place) { prefixes.add(in, place); });
  }
  if (extra != nullptr && extra[query] >= 0) prefixes.add(in, extra[query]);

  const Results out = {narrow, wide, n_queries};
  out.put(count_row, query, static_cast<f64>(in.events));
  out.put(values_row, query, static_cast<f64>(in.values));
  if (sums == nullptr) return;
  const bool special = in.nans + in.above_all + in.below_all > 0;
  f64 infinite = not_a_number();
  if (in.nans == 0 && (in.above_all == 0 || in.below_all == 0)) infinite = in.above_all > 0 ? infinity() : -infinity();
  const f64 total = static_cast<f64>(static_cast<i64>(in.total)), count = static_cast<f64>(in.values);
  out.put(sum_row, query, special ? infinite : in.values > 0 ? total * unit : sum_empty);
  out.put(mean_row, query, special ? infinite : in.values > 0 ? total / count * unit : mean_empty);
  if (var_row < 0 && std_row < 0) return;
  const bool few = in.values < 2 && !(special && in.nans > 0);
  f64 variance = not_a_number();
  if (in.values > 1 && !special) variance = unit * unit * variance_of(in.values, in.total, in.squares);
  out.put(var_row, query, few ? var_empty : variance);
  out.put(std_row, query, few ? std_empty : sqrt(variance));
}

// Share of values above a threshold; `above` are prefix counts of them. 32 bytes a query, and 16 a row of marks.
extern "C" __global__ void __launch_bounds__(256) write_share(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 n_queries,
    const i8* kinds, const i64* marks, i64 n_marks, bool has_specials, const i64* above, i64 row, f64 empty, f32* narrow,
    f64* wide) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const Prefixes prefixes = {kinds, marks, n_marks, has_specials, nullptr, nullptr};
  Inside in = {0, 0, 0, 0, 0, 0, {0, 0}};
  i64 over = 0;
  const auto add = [&](i64 place) {
    prefixes.add(in, place);
    over += above[place + 1] - above[place];
  };
  if (visible_at == nullptr) {
    in = prefixes.range(first[query], last[query]);
    over = above[last[query]] - above[first[query]];
  } else {
    for_visible(first[query], last[query], visible_at, query_time[query], add);
  }
  if (extra != nullptr && extra[query] >= 0) add(extra[query]);
  f64 share = in.values > 0 ? static_cast<f64>(over) / static_cast<f64>(in.values) : empty;
  if (in.nans > 0) share = not_a_number();
  Results{narrow, wide, n_queries}.put(row, query, share);
}
