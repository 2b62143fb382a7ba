// As-of lookups: the last state that each query knows.
#include "search.cuh"

extern "C" __global__ void __launch_bounds__(256) find_states(
    const i64* state_starts, const i64* state_rows, const i64* valid_from, const i64* visible_at,
    const i64* query_starts, i64 n_keys, const i64* query_time, i64 tolerance, i64 n, i64* matches) {
  search_tile(
      state_starts, visible_at, query_starts, n_keys, n, [&](i64 query) { return query_time[query]; },
      [&](i64 query, i64 start, i64 upper) {
        const bool counts =
            upper > start && (tolerance < 0 || query_time[query] - valid_from[upper - 1] <= tolerance);
        matches[query] = counts ? state_rows[upper - 1] : -1;
      });
}

template <class T>
__device__ inline void take(const f64* values, const i64* matches, i64 n, T* out) {
  const i64 place = thread_index();
  if (place >= n) return;
  const i64 match = matches[place];
  out[place] = rounded<T>(match >= 0 ? values[match] : not_a_number());
}

extern "C" __global__ void __launch_bounds__(256) take_f64(const f64* values, const i64* matches, i64 n, f64* out) {
  take(values, matches, n, out);
}

extern "C" __global__ void __launch_bounds__(256) take_f32(const f64* values, const i64* matches, i64 n, f32* out) {
  take(values, matches, n, out);
}
