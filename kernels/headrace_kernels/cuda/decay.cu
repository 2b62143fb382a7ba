// Exponentially decayed statistics: simultaneous events put into the order of their values, then a thread a window.
#include "requests.cuh"

namespace {

// 2**(k / 32)
__device__ const f64 ROOTS[32] = {
    1.0, 1.0218971486541166, 1.0442737824274138, 1.0671404006768237, 1.0905077326652577, 1.1143867425958924,
    1.1387886347566916, 1.1637248587775775, 1.189207115002721, 1.215247359980469, 1.241857812073484,
    1.2690509571917332, 1.2968395546510096, 1.3252366431597413, 1.3542555469368927, 1.383909881963832,
    1.4142135623730951, 1.4451808069770467, 1.4768261459394993, 1.5091644275934228, 1.5422108254079407,
    1.5759808451078865, 1.6104903319492543, 1.645755478153965, 1.681792830507429, 1.718619298122478,
    1.7562521603732995, 1.7947090750031072, 1.8340080864093424, 1.8741676341103, 1.9152065613971474,
    1.9571441241754002};

// (log 2)**k / k!
constexpr f64 C1 = 0.6931471805599453, C2 = 0.24022650695910072, C3 = 0.05550410866482158;
constexpr f64 C4 = 0.009618129107628477, C5 = 0.0013333558146428443, C6 = 0.0001540353039338161;

constexpr i64 DECAYED_COUNT = 22, DECAYED_SUM = 23;

// 2**k for k in [-1074, 1023].
__device__ inline f64 power_of_two(i64 k) {
  return __longlong_as_double(k >= -1022 ? (k + 1023) << 52 : 1LL << (k + 1074));
}

// 2**x with the bits of the CPU's kernel.
__device__ inline f64 exp2_exact(f64 x) {
  if (x < -1074.0) return 0.0;
  if (x >= 1023.0) return infinity();
  const f64 steps = rint(x * 32.0);
  const f64 rest = x - steps * 0.03125;
  f64 growth = (C6 * rest + C5) * rest;
  growth = (((growth + C4) * rest + C3) * rest + C2) * rest;
  growth = (growth + C1) * rest;
  const i64 step = static_cast<i64>(steps);
  const f64 root = ROOTS[step & 31];
  return (root + root * growth) * power_of_two(step >> 5);
}

// Values in an order in which zeros are equal and NaN comes last.
__device__ inline u64 rank_of(f64 value) {
  if (is_nan(value)) return ~0ULL;
  const u64 bits = value == 0.0 ? 0 : static_cast<u64>(__double_as_longlong(value));
  return bits >> 63 ? ~bits : bits | 1ULL << 63;
}

// A column of either dtype: one of the two is null.
struct Values {
  const f64* floats;
  const i64* integers;

  __device__ bool exist() const { return floats != nullptr || integers != nullptr; }
  __device__ f64 at(i64 place) const { return floats != nullptr ? floats[place] : static_cast<f64>(integers[place]); }
};

}  // namespace

// Whether a run of simultaneous events begins at a place; groups' starts are marked by the next kernel.
extern "C" __global__ void __launch_bounds__(256) mark_runs(
    const i64* time, const i64* visible_at, i64 n, bool* begins) {
  const i64 place = thread_index();
  if (place >= n) return;
  begins[place] = place == 0 || time[place] != time[place - 1] || visible_at[place] != visible_at[place - 1];
}

extern "C" __global__ void __launch_bounds__(256) mark_groups(const i64* starts, i64 n_keys, i64 n, bool* begins) {
  const i64 key = thread_index();
  if (key < n_keys && starts[key] < n) begins[starts[key]] = true;
}

// Where each run begins, and how long the longest is. `before` counts the runs that begin before a place.
extern "C" __global__ void __launch_bounds__(256) place_runs(const i64* before, i64 n, i64* begins) {
  const i64 place = thread_index();
  if (place < n && before[place + 1] > before[place]) begins[before[place]] = place;
  if (place == n - 1) begins[before[n]] = n;
}

extern "C" __global__ void __launch_bounds__(256) measure_runs(const i64* begins, i64 n_runs, i64* longest) {
  const i64 run = thread_index();
  if (run >= n_runs) return;
  const i64 length = begins[run + 1] - begins[run];
  if (length > *longest) atomicMax(longest, length);  // looked at first: few threads then need the one address
}

// Merge sorted stretches of `width` places of every run, two by two: each item counts those of the other stretch that
// come before it. Equal items keep their order.
extern "C" __global__ void __launch_bounds__(256) merge_runs(
    const f64* floats, const i64* integers, const i64* before, const i64* begins, i64 n, i64 width, const u32* order,
    u32* merged) {
  const i64 place = thread_index();
  if (place >= n) return;
  const Values values{floats, integers};
  const auto item_at = [&](i64 at) { return order == nullptr ? at : static_cast<i64>(order[at]); };
  const i64 item = item_at(place), run = before[place + 1] - 1, start = begins[run], end = begins[run + 1];
  const i64 block = (place - start) / width, own = start + block * width, other = start + (block ^ 1) * width;
  if (other >= end) {
    merged[place] = static_cast<u32>(item);
    return;
  }
  const bool is_left = other > own;
  const u64 rank = rank_of(values.at(item));
  i64 low = other, high = other + width < end ? other + width : end;
  while (low < high) {
    const i64 middle = low + (high - low) / 2;
    const u64 found = rank_of(values.at(item_at(middle)));
    if (found < rank || (found == rank && !is_left)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  merged[(is_left ? own : other) + (place - own) + (low - other)] = static_cast<u32>(item);
}

// Adds up the weights of a window, and weights times values, oldest first, and writes what is asked for.
extern "C" __global__ void __launch_bounds__(256) weigh(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 n_queries,
    const i64* event_time, const u32* order, const i64* before, const i64* begins, const f64* floats,
    const i64* integers, const bool* valid, f64 half_life, const i64* statistics, const i64* rows,
    const f64* parameters, const f64* empty, i64 n_requests, f32* narrow, f64* wide) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const Values values{floats, integers};
  const bool has_values = values.exist();
  const i64 now = query_time[query], begin = first[query], end = last[query];
  const i64 own = extra == nullptr ? -1 : extra[query];
  i64 low = begin, high = end;
  if (order != nullptr && begin < end) {  // a window may begin or end inside a run: go through all of it
    low = begins[before[begin + 1] - 1];
    high = begins[before[end]];
  }
  f64 weights = 0.0, weighted = 0.0;
  bool has_any = false;
  for (i64 index = low; index <= high; ++index) {
    i64 place = own;
    if (index < high) {
      place = order == nullptr ? index : order[index];
      if (place < begin || place >= end || (visible_at != nullptr && visible_at[place] > now)) continue;
    } else if (own < 0) {
      break;
    }
    if (valid != nullptr && !valid[place]) continue;
    const f64 weight = exp2_exact(static_cast<f64>(event_time[place] - now) / half_life);
    weights += weight;
    if (has_values) weighted += weight * values.at(place);
    has_any = true;
  }
  const Requests requests{statistics, rows, parameters, empty, n_requests, narrow, wide, n_queries};
  requests.write(query, [&](i64 statistic, f64, f64 nothing) {
    if (statistic == DECAYED_COUNT) return weights;
    if (statistic == DECAYED_SUM) return has_any ? weighted : nothing;
    return has_any && weights != 0.0 ? weighted / weights : nothing;
  });
}
