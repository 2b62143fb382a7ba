// Covariance, correlation and slope of windows: exact sums before every 32nd event, and the few events beside them.
#include "requests.cuh"
#include "unseen.cuh"

namespace {

constexpr i8 SKIPPED = 0, FINITE = 1, SPECIAL = 2;
constexpr i64 COV = 25, CORR = 26, TREND = 28;
constexpr i64 SAMPLE = 32;
constexpr u32 N_SUMS = 5;  // of x, y, x*y, x*x, y*y
constexpr f64 VALUE_LIMIT = 9223372036854775808.0;

__device__ inline U128 times(U128 a, U128 b) {
  return {a.low * b.low, __umul64hi(a.low, b.low) + a.high * b.low + a.low * b.high};
}
__device__ inline U128 widened(i64 x) { return {static_cast<u64>(x), x < 0 ? ~0ULL : 0}; }
__device__ inline U128 product(i64 x, i64 y) {
  const u64 left = static_cast<u64>(x), right = static_cast<u64>(y);
  return {left * right, __umul64hi(left, right) - (x < 0 ? right : 0) - (y < 0 ? left : 0)};
}

// Nearest float64, ties to even, of a number without a sign.
__device__ inline f64 to_float(U128 x) {
  if (x.high == 0) return static_cast<f64>(x.low);
  const int shift = __clzll(static_cast<i64>(x.high));
  if (shift > 0) {
    x.high = x.high << shift | x.low >> (64 - shift);
    x.low <<= shift;
  }
  if (x.low != 0) x.high |= 1;  // below the rounding position of a 64-bit integer: only says "a little more"
  return static_cast<f64>(x.high) * __longlong_as_double((64 - shift + 1023LL) << 52);
}

// What a window, or a part of one, adds up to; all sums modulo 2**128.
struct Sums {
  U128 sums[N_SUMS];
  u64 counts;  // pairs of finite numbers in the low half, others in the high half

  __device__ void add(i8 kind, i64 left, i64 right) {
    if (kind == SPECIAL) counts += 1ULL << 32;
    if (kind != FINITE) return;
    sums[0] = sums[0] + widened(left);
    sums[1] = sums[1] + widened(right);
    sums[2] = sums[2] + product(left, right);
    sums[3] = sums[3] + product(left, left);
    sums[4] = sums[4] + product(right, right);
    counts += 1;
  }

  // What was added once.
  __device__ void take(i8 kind, i64 left, i64 right) {
    Sums other{};
    other.add(kind, left, right);
    for (u32 each = 0; each < N_SUMS; ++each) sums[each] = sums[each] - other.sums[each];
    counts -= other.counts;  // neither half is larger than what it is taken from
  }

  // Nearest float64 of count * sum(x * y) - sum(x) * sum(y).
  __device__ f64 centred(u64 count, u32 products, u32 left, u32 right) const {
    const U128 difference = times(U128{count, 0}, sums[products]) - times(sums[left], sums[right]);
    return difference.high >> 63 == 0 ? to_float(difference) : -to_float(U128{0, 0} - difference);
  }
};

__device__ inline bool is_finite_at(const f64* floats, i64 place) { return floats == nullptr || is_finite(floats[place]); }
__device__ inline bool is_valid_at(const bool* valid, i64 place) { return valid == nullptr || valid[place]; }

}  // namespace

// Whether an event is skipped, a pair of finite numbers, or one with NaN or Inf; integers have no floats.
extern "C" __global__ void __launch_bounds__(256) pair_kinds(
    const f64* left, const bool* left_valid, const f64* right, const bool* right_valid, i64 n, i8* kinds) {
  const i64 place = thread_index();
  if (place >= n) return;
  const bool finite = is_finite_at(left, place) && is_finite_at(right, place);
  const bool valid = is_valid_at(left_valid, place) && is_valid_at(right_valid, place);
  kinds[place] = !valid ? SKIPPED : finite ? FINITE : SPECIAL;
}

// Values of finite pairs as multiples of the resolution, ties to even; 0 elsewhere and where one does not fit. `found`
// gets the largest magnitude and whether a value does not fit. One of `floats` and `integers` is null.
extern "C" __global__ void __launch_bounds__(256) scale_values(
    const f64* floats, const i64* integers, const i8* kinds, i64 n, f64 factor, i64* scaled, u64* found) {
  const i64 place = thread_index();
  i64 value = 0;
  bool fits = true;
  if (place < n && kinds[place] == FINITE) {
    if (floats == nullptr) {
      value = integers[place];
    } else {
      const f64 step = rint(floats[place] * factor);
      fits = fabs(step) < VALUE_LIMIT;
      value = fits ? static_cast<i64>(step) : 0;
    }
  }
  if (place < n) scaled[place] = value;
  u64 largest = value < 0 ? 0 - static_cast<u64>(value) : static_cast<u64>(value);
  for (u32 bits = 16; bits > 0; bits /= 2) largest = max(largest, __shfl_xor_sync(ALL_LANES, largest, bits));
  if (lane_of() == 0 && largest > found[0]) atomicMax(&found[0], largest);  // looked at first: few threads then go on
  if (!fits && found[1] == 0) atomicMax(&found[1], 1ULL);
}

// Sums of every 32 events, a warp each; the last sample may hold fewer, or none.
extern "C" __global__ void __launch_bounds__(256) sum_samples(
    const i8* kinds, const i64* lefts, const i64* rights, i64 n, i64 n_samples, u64* sums, i64* counts) {
  const i64 place = thread_index(), sample = place / SAMPLE;
  if (sample >= n_samples) return;
  Sums own{};
  if (place < n) own.add(kinds[place], lefts[place], rights[place]);
  for (u32 each = 0; each < N_SUMS; ++each) {
    const U128 total = warp_inclusive(own.sums[each]);
    if (lane_of() == 31) reinterpret_cast<U128*>(sums)[each * n_samples + sample] = total;
  }
  const u64 total = warp_inclusive(own.counts);
  if (lane_of() == 31) counts[sample] = static_cast<i64>(total);
}

// The statistics of each window. `before` are sums before every 32nd event, one kind after the other: only differences
// within a kind mean something. Where visibility is not ordered, what a query does not see yet is taken away again.
extern "C" __global__ void __launch_bounds__(128) relate_pairs(
    const i64* first, const i64* last, const i64* extra, const i64* visible_at, const i64* query_time, i64 n_queries,
    const i8* kinds, const i64* lefts, const i64* rights, const u64* before, i64 n_samples, const i64* before_counts,
    const i64* latest, i64 n_events, f64 product_unit, f64 quotient_unit, const i64* statistics, const i64* rows,
    const f64* parameters, const f64* empty, i64 n_requests, f32* narrow, f64* wide) {
  const i64 query = thread_index();
  if (query >= n_queries) return;
  const i64 begin = first[query], end = last[query], now = query_time[query];
  const i64 up = (begin + SAMPLE - 1) / SAMPLE * SAMPLE, down = end / SAMPLE * SAMPLE;
  const bool jumps = up < down;
  Sums all{};
  if (jumps) {
    for (u32 each = 0; each < N_SUMS; ++each) {
      const U128* const sums = reinterpret_cast<const U128*>(before) + each * n_samples;
      all.sums[each] = sums[down / SAMPLE] - sums[up / SAMPLE];
    }
    all.counts = static_cast<u64>(before_counts[down / SAMPLE] - before_counts[up / SAMPLE]);
  }
  for (i64 place = begin; place < end; ++place) {
    if (jumps && place == up) place = down;
    if (place >= end) break;
    all.add(kinds[place], lefts[place], rights[place]);
  }
  if (visible_at != nullptr) {
    const Unseen unseen{visible_at, latest, n_events};
    unseen.for_each(begin, end, now, [&](i64 place) { all.take(kinds[place], lefts[place], rights[place]); });
  }
  const i64 own = extra == nullptr ? -1 : extra[query];
  if (own >= 0) all.add(kinds[own], lefts[own], rights[own]);
  const u64 count = all.counts & 0xffffffffULL;
  const bool special = all.counts >> 32 != 0;
  f64 both = 0.0, left_spread = 0.0, right_spread = 0.0;
  if (!special && count > 1) {
    both = all.centred(count, 2, 0, 1);
    left_spread = all.centred(count, 3, 0, 0);
    right_spread = all.centred(count, 4, 1, 1);
  }
  const Requests requests{statistics, rows, parameters, empty, n_requests, narrow, wide, n_queries};
  requests.write(query, [&](i64 statistic, f64, f64 nothing) {
    if (special) return not_a_number();
    if (statistic == COV) {
      return count > 1 ? both / (static_cast<f64>(count) * static_cast<f64>(count - 1)) * product_unit : nothing;
    }
    if (statistic == CORR) {
      if (!(left_spread > 0.0 && right_spread > 0.0)) return nothing;
      const f64 ratio = both / sqrt(left_spread * right_spread);
      return ratio > 1.0 ? 1.0 : ratio < -1.0 ? -1.0 : ratio;
    }
    if (!(right_spread > 0.0)) return nothing;
    const f64 slope = both / right_spread * quotient_unit;
    return statistic == TREND ? slope * 1e6 : slope;
  });
}
