// Which values count.
#include "common.cuh"

extern "C" __global__ void mark_known(const f64* values, const bool* valid, i64 n, bool* known) {
  const i64 place = thread_index();
  if (place < n) known[place] = (valid == nullptr || valid[place]) && !is_nan(values[place]);
}
