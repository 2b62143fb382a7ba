// Encodings of numbers, a thread a row, written straight into a column of the matrix.
#include "common.cuh"

namespace {

template <class Out>
__device__ inline void rescale(const f64* values, i64 n, const f64* scaling, i64 slot, i64 n_slots, Out* out) {
  const i64 row = thread_index();
  if (row >= n) return;
  const f64 fill = scaling[0], low = scaling[1], high = scaling[2], center = scaling[3], scale = scaling[4];
  f64 value = values[row];
  if (is_nan(value)) value = fill;
  if (value < low) {
    value = low;
  } else if (value > high) {
    value = high;
  }
  out[row * n_slots + slot] = rounded<Out>(static_cast<f32>((value - center) / scale));
}

template <class Out>
__device__ inline void bin(
    const f64* values, i64 n, const f64* edges, i64 n_edges, f64 missing, i64 slot, i64 n_slots, Out* out) {
  const i64 row = thread_index();
  if (row >= n) return;
  const f64 value = values[row];
  i64 first = 0, last = n_edges;
  while (first < last) {
    const i64 middle = (first + last) / 2;
    if (edges[middle] <= value) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  out[row * n_slots + slot] = rounded<Out>(is_nan(value) ? missing : static_cast<f64>(first));
}

}  // namespace

extern "C" __global__ void __launch_bounds__(256) rescale_f32(
    const f64* values, i64 n, const f64* scaling, i64 slot, i64 n_slots, f32* out) {
  rescale(values, n, scaling, slot, n_slots, out);
}

extern "C" __global__ void __launch_bounds__(256) rescale_f64(
    const f64* values, i64 n, const f64* scaling, i64 slot, i64 n_slots, f64* out) {
  rescale(values, n, scaling, slot, n_slots, out);
}

extern "C" __global__ void __launch_bounds__(256) bin_f32(
    const f64* values, i64 n, const f64* edges, i64 n_edges, f64 missing, i64 slot, i64 n_slots, f32* out) {
  bin(values, n, edges, n_edges, missing, slot, n_slots, out);
}

extern "C" __global__ void __launch_bounds__(256) bin_f64(
    const f64* values, i64 n, const f64* edges, i64 n_edges, f64 missing, i64 slot, i64 n_slots, f64* out) {
  bin(values, n, edges, n_edges, missing, slot, n_slots, out);
}
