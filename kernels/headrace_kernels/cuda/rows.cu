// Rows moved: values looked up by row (as bits: a copy knows no types), and a block's columns written into rows of the
// matrix.
#include "common.cuh"

template <class T, class Row>
__device__ inline void take(const T* values, const Row* rows, i64 n, T* out) {
  const i64 place = thread_index();
  if (place < n) out[place] = values[rows[place]];
}

extern "C" __global__ void __launch_bounds__(256) take_u64_i64(const u64* values, const i64* rows, i64 n, u64* out) {
  take(values, rows, n, out);
}
extern "C" __global__ void __launch_bounds__(256) take_u64_i32(const u64* values, const i32* rows, i64 n, u64* out) {
  take(values, rows, n, out);
}
extern "C" __global__ void __launch_bounds__(256) take_u32_i64(const u32* values, const i64* rows, i64 n, u32* out) {
  take(values, rows, n, out);
}
extern "C" __global__ void __launch_bounds__(256) take_u32_i32(const u32* values, const i32* rows, i64 n, u32* out) {
  take(values, rows, n, out);
}
extern "C" __global__ void __launch_bounds__(256) take_u8_i64(const u8* values, const i64* rows, i64 n, u8* out) {
  take(values, rows, n, out);
}
extern "C" __global__ void __launch_bounds__(256) take_u8_i32(const u8* values, const i32* rows, i64 n, u8* out) {
  take(values, rows, n, out);
}

constexpr u32 PLACES = 64;
constexpr u32 COLUMNS = 32;

// A tile of the block is read along its columns, turned in shared memory, and written along the matrix's rows:
// neighbouring threads write neighbouring slots of one row. A row of the tile is one longer, so that a column of it lies
// in different banks.
template <class From, class Row, class To>
__device__ inline void write(
    const From* block, const Row* rows, const i64* slots, i64 n_columns, i64 n, i64 width, To* out) {
  __shared__ To turned[COLUMNS][PLACES + 1];
  const i64 base = static_cast<i64>(blockIdx.x) * PLACES;
  const u32 places = static_cast<u32>(min(n - base, static_cast<i64>(PLACES)));
  for (i64 strip = 0; strip < n_columns; strip += COLUMNS) {
    const u32 columns = static_cast<u32>(min(n_columns - strip, static_cast<i64>(COLUMNS)));
    for (u32 column = threadIdx.x / PLACES; column < columns; column += blockDim.x / PLACES) {
      const u32 place = threadIdx.x % PLACES;
      if (place < places) turned[column][place] = rounded<To>(block[(strip + column) * n + base + place]);
    }
    __syncthreads();
    for (u32 item = threadIdx.x; item < places * columns; item += blockDim.x) {
      const u32 place = item / columns, column = item - place * columns;
      out[static_cast<i64>(rows[base + place]) * width + slots[strip + column]] = turned[column][place];
    }
    __syncthreads();
  }
}

extern "C" __global__ void __launch_bounds__(256) write_f64_i64_f64(
    const f64* block, const i64* rows, const i64* slots, i64 n_columns, i64 n, i64 width, f64* out) {
  write(block, rows, slots, n_columns, n, width, out);
}
extern "C" __global__ void __launch_bounds__(256) write_f64_i64_f32(
    const f64* block, const i64* rows, const i64* slots, i64 n_columns, i64 n, i64 width, f32* out) {
  write(block, rows, slots, n_columns, n, width, out);
}
extern "C" __global__ void __launch_bounds__(256) write_f32_i64_f64(
    const f32* block, const i64* rows, const i64* slots, i64 n_columns, i64 n, i64 width, f64* out) {
  write(block, rows, slots, n_columns, n, width, out);
}
extern "C" __global__ void __launch_bounds__(256) write_f32_i64_f32(
    const f32* block, const i64* rows, const i64* slots, i64 n_columns, i64 n, i64 width, f32* out) {
  write(block, rows, slots, n_columns, n, width, out);
}
extern "C" __global__ void __launch_bounds__(256) write_f64_i32_f64(
    const f64* block, const i32* rows, const i64* slots, i64 n_columns, i64 n, i64 width, f64* out) {
  write(block, rows, slots, n_columns, n, width, out);
}
extern "C" __global__ void __launch_bounds__(256) write_f64_i32_f32(
    const f64* block, const i32* rows, const i64* slots, i64 n_columns, i64 n, i64 width, f32* out) {
  write(block, rows, slots, n_columns, n, width, out);
}
extern "C" __global__ void __launch_bounds__(256) write_f32_i32_f64(
    const f32* block, const i32* rows, const i64* slots, i64 n_columns, i64 n, i64 width, f64* out) {
  write(block, rows, slots, n_columns, n, width, out);
}
extern "C" __global__ void __launch_bounds__(256) write_f32_i32_f32(
    const f32* block, const i32* rows, const i64* slots, i64 n_columns, i64 n, i64 width, f32* out) {
  write(block, rows, slots, n_columns, n, width, out);
}
