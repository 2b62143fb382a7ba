// The last time of visibility of every block of places, a thread a block of the level below's 32.
#include "unseen.cuh"

extern "C" __global__ void __launch_bounds__(256) latest_visible(const i64* below, i64 n, i64 n_blocks, i64* latest) {
  const i64 block = thread_index();
  if (block >= n_blocks) return;
  const i64 begin = block << UNSEEN_FAN_BITS;
  i64 found = below[begin];
  for (i64 child = begin + 1; child < begin + (1LL << UNSEEN_FAN_BITS) && child < n; ++child) {
    found = max(found, below[child]);
  }
  latest[block] = found;
}
