// Whether exact sums of windows hold: how many values, the smallest and the largest, from a tree of 32 children a node.
#include "common.cuh"

namespace {

constexpr i8 FINITE = 1;
constexpr i64 FAN = 32;
constexpr i64 MOST = 0x7fffffffffffffffLL, LEAST = -MOST - 1;
constexpr f64 VALUE_LIMIT = 9223372036854775808.0;

// Values of some places: without any, `low` is above `high`. One that does not fit 64 bits is only counted.
struct Range {
  i64 count, low, high, misfits;

  __device__ void add(const Range& other) {
    count += other.count;
    low = other.low < low ? other.low : low;
    high = other.high > high ? other.high : high;
    misfits += other.misfits;
  }
};

constexpr Range NOTHING{0, MOST, LEAST, 0};

struct Column {
  const i8* kinds;
  const i64* integers;
  const f64* floats;  // null where the values are integers
  f64 factor;

  __device__ Range at(i64 place) const {
    if (kinds[place] != FINITE) return NOTHING;
    if (floats != nullptr && !(fabs(rint(floats[place] * factor)) < VALUE_LIMIT)) return {0, MOST, LEAST, 1};
    return {1, integers[place], integers[place], 0};
  }
};

}  // namespace

extern "C" __global__ void __launch_bounds__(256) range_leaves(
    const i8* kinds, const i64* integers, const f64* floats, f64 factor, i64 n, i64 n_nodes, i64* nodes) {
  const i64 node = thread_index();
  if (node >= n_nodes) return;
  const Column column{kinds, integers, floats, factor};
  Range range = NOTHING;
  for (i64 place = node * FAN; place < node * FAN + FAN && place < n; ++place) range.add(column.at(place));
  reinterpret_cast<Range*>(nodes)[node] = range;
}

// Nodes of a level from the `n` nodes of the one below.
extern "C" __global__ void __launch_bounds__(256) range_nodes(const i64* below, i64 n, i64 n_nodes, i64* nodes) {
  const i64 node = thread_index();
  if (node >= n_nodes) return;
  Range range = NOTHING;
  for (i64 child = node * FAN; child < node * FAN + FAN && child < n; ++child) {
    range.add(reinterpret_cast<const Range*>(below)[child]);
  }
  reinterpret_cast<Range*>(nodes)[node] = range;
}

// Finds the first query with a value that does not fit and the first one whose range leaves `limit` / count: `found`,
// which begin at n_queries. `levels` says where each level of the tree begins, the leaves first, and where it ends.
extern "C" __global__ void __launch_bounds__(256) survey_windows(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 n_queries,
    const i8* kinds, const i64* integers, const f64* floats, f64 factor, const i64* nodes, const i64* levels,
    i64 n_levels, i64* counts, i64* lows, i64* highs, i64* found) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const Column column{kinds, integers, floats, factor};
  const Range* const tree = reinterpret_cast<const Range*>(nodes);
  i64 begin = first[query], end = last[query];
  const i64 now = query_time[query], own = extra == nullptr ? -1 : extra[query];
  Range range = NOTHING;
  if (own >= 0) range.add(column.at(own));
  if (visible_at != nullptr) {
    for (; begin < end; ++begin) {
      if (visible_at[begin] <= now) range.add(column.at(begin));
    }
  }
  for (; begin < end && begin % FAN != 0; ++begin) range.add(column.at(begin));
  for (; begin < end && end % FAN != 0; --end) range.add(column.at(end - 1));
  for (i64 level = 0; begin < end; ++level) {
    begin /= FAN;
    end /= FAN;
    const bool is_top = level == n_levels - 1;
    for (; begin < end && (is_top || begin % FAN != 0); ++begin) range.add(tree[levels[level] + begin]);
    for (; begin < end && end % FAN != 0; --end) range.add(tree[levels[level] + end - 1]);
  }
  counts[query] = range.count;
  lows[query] = range.count > 0 ? range.low : 0;
  highs[query] = range.count > 0 ? range.high : 0;
  if (range.misfits > 0) atomicMin(&found[0], query);
  const u64 spread = range.count > 0 ? static_cast<u64>(range.high) - static_cast<u64>(range.low) : 0;
  if (spread > ~0ULL / static_cast<u64>(range.count > 0 ? range.count : 1)) atomicMin(&found[1], query);
}

// The place of the first value of one query that does not fit.
extern "C" __global__ void __launch_bounds__(32) find_misfit(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 query,
    const i8* kinds, const i64* integers, const f64* floats, f64 factor, i64* misfit) {
  if (thread_index() != 0) return;
  const Column column{kinds, integers, floats, factor};
  for (i64 place = first[query]; place < last[query]; ++place) {
    if (visible_at != nullptr && visible_at[place] > query_time[query]) continue;
    if (column.at(place).misfits > 0) {
      *misfit = place;
      return;
    }
  }
  if (extra != nullptr) *misfit = extra[query];
}

// The most events of a window, with its own one, and the largest (events) * (microseconds from the oldest to the newest),
// as the bits of a float64, which are in the numbers' order.
extern "C" __global__ void __launch_bounds__(256) measure_windows(
    const i64* first, const i64* last, const i64* extra, i64 n_queries, const i64* time, u64* found, f64* products) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const i64 begin = first[query], end = last[query], own = extra == nullptr ? -1 : extra[query];
  const u64 most = static_cast<u64>(end - begin) + (extra == nullptr ? 0 : 1);
  if (most > found[0]) atomicMax(&found[0], most);
  if (time == nullptr) return;
  f64 product = 0.0;
  if (begin < end) {
    i64 oldest = time[begin], newest = time[end - 1];
    if (own >= 0 && time[own] < oldest) oldest = time[own];
    if (own >= 0 && time[own] > newest) newest = time[own];
    product = static_cast<f64>(end - begin + (own >= 0 ? 1 : 0)) * static_cast<f64>(newest - oldest);
  }
  products[query] = product;
  const u64 bits = static_cast<u64>(__double_as_longlong(product));
  if (bits > found[1]) atomicMax(&found[1], bits);
}

extern "C" __global__ void __launch_bounds__(256) find_product(const f64* products, i64 n, f64 wanted, i64* found) {
  const i64 query = thread_index();
  if (query < n && products[query] == wanted) atomicMin(found, query);
}
