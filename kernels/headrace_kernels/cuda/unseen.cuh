// Events of a window that its query does not see yet, found without looking at all others: what unseen.cu builds.
#pragma once

#include "common.cuh"

constexpr i64 UNSEEN_LEVELS = 4, UNSEEN_FAN_BITS = 5;

struct Unseen {
  const i64* visible_at;
  const i64* latest;  // the last time of visibility of every 32, 1,024, ... places, level after level
  i64 n_events;

  // Calls `each(place)` for the places of [begin, end) that become visible after `now`, ascending.
  template <class Each>
  __device__ __forceinline__ void for_each(i64 begin, i64 end, i64 now, Each each) const {
    for (i64 place = begin; place < end;) {
      const i64 seen = seen_from(place, now);
      if (seen == 0 && visible_at[place] > now) each(place);
      place += seen == 0 ? 1 : seen;
    }
  }

 private:
  // Places from this one on of the largest block that begins here and is all visible; 0 where there is none.
  __device__ __forceinline__ i64 seen_from(i64 place, i64 now) const {
    i64 seen = 0, level_begin = 0;
    for (i64 level = 0; level < UNSEEN_LEVELS; ++level) {
      const i64 bits = UNSEEN_FAN_BITS * (level + 1);
      if (place & ((1LL << bits) - 1) || latest[level_begin + (place >> bits)] > now) break;
      seen = 1LL << bits;
      level_begin += (n_events + seen - 1) >> bits;
    }
    return seen;
  }
};
