// From sums to predictions, float64 in between, one rounding to float32 at the end, as kernels/native/links.cc has them.
//
// Powers are not those of the C library, whose bits cannot be had here. But both lie within a proven distance of the true
// value, and what is asked for is a float32: where everything within that distance rounds to the same float32, that is
// the CPU's answer. Where it does not, for one row in some millions, the row is marked and the CPU is asked.
#include "common.cuh"

constexpr i32 IDENTITY = 0, SQUARE = 1, EXPONENTIAL = 2, LOGISTIC = 3;
constexpr f64 UNIT = 1.1102230246251565e-16;  // 2^-53, the largest relative error of one operation
constexpr f64 FAR = 700.0;  // e^-700 is 0 and e^700 is infinity in float32, and both are ordinary in float64

struct Power {
  f64 value;
  f64 units;  // the true power and the C library's lie within so many UNITs of it, relatively
};

// base^x = e^(x * log_base), base above 0 and not 1.
//
// Error: y has two roundings, of log_base (1 ulp, two UNITs, by the C library's log) and of the product: 3 |y| UNITs.
// y - k ln 2 is exact but for ln 2's low part and the last subtraction: below 1 UNIT. The Taylor polynomial of degree 13
// on |r| <= 0.347 leaves out 6e-18 and rounds, in Horner's form, by less than 4 UNITs. That is 3 |y| + 6 UNITs to the
// true value, and the C library's pow has 2 (1 ulp): 3 |y| + 8.
__device__ inline Power power_of(f64 x, f64 log_base) {
  f64 y = x * log_base;
  if (is_nan(y)) return {y, 0.0};
  y = y > FAR ? FAR : y < -FAR ? -FAR : y;
  const f64 turns = rint(y * 1.4426950408889634);
  const f64 r = (y - turns * 6.93147180369123816490e-01) - turns * 1.90821492927058770002e-10;
  f64 p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const f64 scale = __longlong_as_double((static_cast<i64>(turns) + 1023) << 52);
  return {p * scale, 3.0 * (y < 0.0 ? -y : y) + 8.0};
}

// Writes the float32 next to a value that is not negative; false where its neighbourhood does not round to one.
__device__ inline bool settle(f64 value, f64 units, f32* prediction) {
  const f64 around = value * ((units + 4.0) * UNIT);  // 4 for what is rounded here
  const f32 low = static_cast<f32>(value - around);
  *prediction = rounded<f32>(value + around);
  return low == *prediction || is_nan(value);
}

__device__ inline bool link_one(f64 x, i32 link, f64 log_base, f32* prediction) {
  if (link == IDENTITY || link == SQUARE) {
    *prediction = rounded<f32>(link == IDENTITY ? x : fabs(x) * x);
    return true;
  }
  const Power power = power_of(x, log_base);
  if (link == EXPONENTIAL) return settle(power.value, power.units, prediction);
  // 1 / (p + 1): p's error is passed on by p / (p + 1) at most; two roundings here and two in the C library's.
  return settle(1.0 / (power.value + 1.0), power.units + 4.0, prediction);
}

// Shares p_i / sum p: p |y| is at most 1 / e and the highest p is 1, so that the sum's error is below 2 UNITs a class, 8,
// and two roundings an addition.
template <class Sum>
__device__ inline bool link_shares(const Sum* scores, i32 width, f64 log_base, f64 divisor, f32* predictions) {
  f64 highest = static_cast<f64>(scores[0]) / divisor;
  for (i32 i = 1; i < width; ++i) {
    const f64 score = static_cast<f64>(scores[i]) / divisor;
    highest = highest < score ? score : highest;
  }
  f64 total = power_of(static_cast<f64>(scores[0]) / divisor - highest, log_base).value;
  for (i32 i = 1; i < width; ++i) total += power_of(static_cast<f64>(scores[i]) / divisor - highest, log_base).value;
  bool settled = true;
  for (i32 i = 0; i < width; ++i) {
    const Power power = power_of(static_cast<f64>(scores[i]) / divisor - highest, log_base);
    settled &= settle(power.value / total, power.units + 4.0 * width + 10.0, predictions + i);
  }
  return settled;
}

template <class Sum>
__device__ inline void link_row(
    const Sum* scores, i64 n, i32 width, i32 link, f64 log_base, f64 divisor, i64 most, f32* predictions, u64* count,
    i64* marked) {
  const i64 row = thread_index();
  if (row >= n) return;
  f32* const own = predictions + row * width;
  const bool settled = link > LOGISTIC ? link_shares(scores + row * width, width, log_base, divisor, own)
                                       : link_one(static_cast<f64>(scores[row]) / divisor, link, log_base, own);
  if (settled) return;
  const u64 place = atomicAdd(count, static_cast<u64>(1));
  if (place < static_cast<u64>(most)) marked[place] = row;
}

extern "C" __global__ void __launch_bounds__(256) link_f64(
    const f64* scores, i64 n, i32 width, i32 link, f64 log_base, f64 divisor, i64 most, f32* predictions, u64* count,
    i64* marked) {
  link_row(scores, n, width, link, log_base, divisor, most, predictions, count, marked);
}

extern "C" __global__ void __launch_bounds__(256) link_f32(
    const f32* scores, i64 n, i32 width, i32 link, f64 log_base, f64 divisor, i64 most, f32* predictions, u64* count,
    i64* marked) {
  link_row(scores, n, width, link, log_base, divisor, most, predictions, count, marked);
}

// Marked rows out of a matrix, and back into one; all rows where `marked` is null.
extern "C" __global__ void take_f64(const f64* from, const i64* marked, i64 n, i32 width, f64* to) {
  const i64 i = thread_index();
  if (i < n * width) to[i] = from[marked[i / width] * width + i % width];
}

extern "C" __global__ void take_f32(const f32* from, const i64* marked, i64 n, i32 width, f32* to) {
  const i64 i = thread_index();
  if (i < n * width) to[i] = from[marked[i / width] * width + i % width];
}

extern "C" __global__ void place_f32(const f32* from, const i64* marked, i64 n, i32 width, f32* to) {
  const i64 i = thread_index();
  if (i < n * width) to[(marked == nullptr ? i / width : marked[i / width]) * width + i % width] = from[i];
}
