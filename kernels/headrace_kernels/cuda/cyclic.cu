// Calendar fields by integer arithmetic, and tables that encode them, a thread a row.
#include "common.cuh"

namespace {

constexpr i64 MINUTE_US = 60000000, DAY_MINUTES = 1440, ERA_DAYS = 146097, EPOCH_FROM_MARCH_0 = 719468;
constexpr i64 MINUTE = 0, MINUTE_OF_DAY = 1, HOUR = 2, WEEKDAY = 3, DAY = 4, MONTH = 5;

// Quotient rounded down, for times before 1970 too; the divisor is positive.
__device__ inline i64 floor_quotient(i64 value, i64 divisor) {
  const i64 quotient = value / divisor;
  return quotient - (value - quotient * divisor < 0 ? 1 : 0);
}

// Years begin on March 1 here; see the CPU's kernel.
__device__ inline i64 date_field(i64 days, i64 field) {
  const i64 shifted = days + EPOCH_FROM_MARCH_0;
  const i64 day_of_era = shifted - floor_quotient(shifted, ERA_DAYS) * ERA_DAYS;
  const i64 year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const i64 day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
  const i64 month_from_march = (5 * day_of_year + 2) / 153;
  if (field == DAY) return day_of_year - (153 * month_from_march + 2) / 5 + 1;
  if (field == MONTH) return month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  if (day_of_year >= 306) return day_of_year - 305;  // January and February belong to the next calendar year
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day_of_year + 60 + (leap ? 1 : 0);
}

template <class Out>
__device__ inline void encode(
    const i64* field, i64 n, const f32* table, const i64* slots, i64 n_columns, i64 n_slots, Out* out) {
  const i64 row = thread_index();
  if (row >= n) return;
  const f32* const encoded = table + field[row] * n_columns;
  for (i64 column = 0; column < n_columns; ++column) out[row * n_slots + slots[column]] = rounded<Out>(encoded[column]);
}

}  // namespace

extern "C" __global__ void __launch_bounds__(256) calendar_field(const i64* local, i64 n, i64 field, i64* result) {
  const i64 row = thread_index();
  if (row >= n) return;
  const i64 minutes = floor_quotient(local[row], MINUTE_US);
  const i64 days = floor_quotient(minutes, DAY_MINUTES);
  const i64 of_day = minutes - days * DAY_MINUTES;
  i64 value;
  if (field == MINUTE) {
    value = of_day % 60;
  } else if (field == MINUTE_OF_DAY) {
    value = of_day;
  } else if (field == HOUR) {
    value = of_day / 60;
  } else if (field == WEEKDAY) {
    value = days + 3 - floor_quotient(days + 3, 7) * 7;  // 1970-01-01 was a Thursday
  } else {
    value = date_field(days, field);
  }
  result[row] = value;
}

extern "C" __global__ void __launch_bounds__(256) encode_f32(
    const i64* field, i64 n, const f32* table, const i64* slots, i64 n_columns, i64 n_slots, f32* out) {
  encode(field, n, table, slots, n_columns, n_slots, out);
}

extern "C" __global__ void __launch_bounds__(256) encode_f64(
    const i64* field, i64 n, const f32* table, const i64* slots, i64 n_columns, i64 n_slots, f64* out) {
  encode(field, n, table, slots, n_columns, n_slots, out);
}

extern "C" __global__ void __launch_bounds__(256) shift_to_local(
    const i64* utc, i64 n, const i64* transitions, i64 n_transitions, const i64* offsets, i64* local) {
  const i64 row = thread_index();
  if (row < n) local[row] = utc[row] + offsets[first_above(transitions, 0, n_transitions, utc[row])];
}
