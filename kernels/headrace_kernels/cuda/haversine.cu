// Great-circle distance, a thread a pair of points: every operation in the order of the CPU's kernel.
#include "common.cuh"

namespace {

constexpr f64 EARTH_RADIUS_KM = 6371.0088;
constexpr f64 QUARTER_TURN = 1.5707963267948966;
constexpr f64 EIGHTH_TURN = 0.7853981633974483;
__constant__ f64 SINE[7] = {
    0.017453292519943295, -8.860961557012953e-07, 1.3496016231611492e-11, -9.788384855379788e-17,
    4.14126653719259e-22, -1.1467564196328708e-27, 2.216444745893144e-33};
__constant__ f64 COSINE[7] = {
    -0.0001523087098933543, 3.86632385156299e-09, -3.925831985740796e-14, 2.13549430291396e-19,
    -7.227874202905621e-25, 1.66791273701521e-30, -2.7667201283227507e-36};
__constant__ f64 ARCTANGENT[12] = {
    1.0, -0.3333333333333312, 0.19999999999940665, -0.14285714279228195, 0.1111111074382268, -0.09090896777352739,
    0.07692044761447499, -0.06662945267303778, 0.05846830092407492, -0.05034882610993903, 0.03795960457309466,
    -0.017799133747822576};

__device__ inline f64 within_half_a_turn(f64 longitude) {
  const f64 turns = rint(longitude / 360.0);
  return longitude - 360.0 * turns;
}

__device__ inline f64 sine(f64 degrees) {
  if (degrees <= 45.0) {
    const f64 square = degrees * degrees;
    f64 value = SINE[6];
    for (int term = 5; term >= 0; --term) value = value * square + SINE[term];
    return degrees * value;
  }
  const f64 rest = 90.0 - degrees;
  const f64 square = rest * rest;
  f64 value = COSINE[6];
  for (int term = 5; term >= 0; --term) value = value * square + COSINE[term];
  return 1.0 + square * value;
}

__device__ inline f64 arctangent(f64 ratio) {
  const bool is_small = ratio <= 0.41421356;
  const f64 turned = is_small ? ratio : (ratio - 1.0) / (ratio + 1.0);
  const f64 square = turned * turned;
  f64 value = ARCTANGENT[11];
  for (int term = 10; term >= 0; --term) value = value * square + ARCTANGENT[term];
  return is_small ? turned * value : EIGHTH_TURN + turned * value;
}

__device__ inline f64 lesser(f64 a, f64 b) { return b < a ? b : a; }

}  // namespace

extern "C" __global__ void __launch_bounds__(256) haversine_km(
    const f64* lat1, const f64* lon1, const f64* lat2, const f64* lon2, i64 n, f64* kilometres) {
  const i64 row = thread_index();
  if (row >= n) return;
  const f64 north_1 = lat1[row], north_2 = lat2[row];
  if (!(fabs(north_1) <= 90.0 && fabs(north_2) <= 90.0 && fabs(lon1[row]) <= 360.0 && fabs(lon2[row]) <= 360.0)) {
    kilometres[row] = not_a_number();
    return;
  }
  const f64 east_1 = within_half_a_turn(lon1[row]), east_2 = within_half_a_turn(lon2[row]);
  const f64 turn = 0.5 * lesser(fabs(east_1 - east_2), (180.0 - fabs(east_1)) + (180.0 - fabs(east_2)));
  const f64 across = sine(90.0 - fabs(north_1)) * sine(90.0 - fabs(north_2));
  const f64 along = sine(fabs(north_1 - north_2) * 0.5), along_other = sine(fabs(north_1 + north_2) * 0.5);
  const f64 around = sine(turn), around_other = sine(90.0 - turn);
  const f64 near = along * along + across * (around * around);
  const f64 far = along_other * along_other + across * (around_other * around_other);
  const f64 half = arctangent(sqrt(near <= far ? near / far : far / near));
  kilometres[row] = 2.0 * EARTH_RADIUS_KM * (near <= far ? half : QUARTER_TURN - half);
}
