// When requests are due. Arrivals are drawn on a line of expected counts and mapped through the rate to time, so that
// fixed and Poisson arrivals, constant and ramped rates are one rule. headrace/load/schedule.py has it in NumPy.
#pragma once

#include <cstdint>
#include <random>
#include <span>

#include "settings.h"

namespace headrace::load {

class Schedule {
 public:
  static constexpr std::int64_t kNever = INT64_MAX;

  Schedule(std::span<const Stage> stages, bool poisson, std::uint64_t seed);

  // The next arrival, in nanoseconds from the start; `kNever` when the stages are over.
  std::int64_t next();

 private:
  double expected(const Stage& stage) const { return (stage.from_rate + stage.to_rate) / 2 * stage.seconds; }

  std::span<const Stage> stages_;
  bool poisson_;
  std::mt19937_64 random_;
  double count_ = 0;         // of the next arrival, on the line of expected counts
  std::size_t stage_ = 0;    // that `count_` is in or before
  double stage_count_ = 0;   // expected before this stage
  double stage_start_s_ = 0;
  bool first_ = true;
};

}  // namespace headrace::load
