// Nanoseconds of the monotonic clock.
#pragma once

#include <cstdint>
#include <ctime>

namespace headrace::load {

inline std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline std::int64_t now_ns() { return read_clock(CLOCK_MONOTONIC); }

inline std::int64_t thread_cpu_ns() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

inline std::int64_t seconds_ns(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

}  // namespace headrace::load
