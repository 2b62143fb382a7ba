#include "schedule.h"

#include <cmath>

namespace headrace::load {

Schedule::Schedule(std::span<const Stage> stages, bool poisson, std::uint64_t seed)
    : stages_(stages), poisson_(poisson), random_(seed) {}

std::int64_t Schedule::next() {
  if (poisson_) {
    count_ += std::exponential_distribution<double>{1.0}(random_);
  } else if (!first_) {
    count_ += 1;
  }
  first_ = false;
  while (stage_ < stages_.size() && count_ >= stage_count_ + expected(stages_[stage_])) {
    stage_count_ += expected(stages_[stage_]);
    stage_start_s_ += stages_[stage_].seconds;
    ++stage_;
  }
  if (stage_ == stages_.size()) return kNever;
  // Within the stage, from * t + slope * t^2 / 2 = wanted; this form of the root is good for a slope of zero too.
  const Stage& stage = stages_[stage_];
  const double wanted = count_ - stage_count_;
  const double slope = (stage.to_rate - stage.from_rate) / stage.seconds;
  const double root = std::sqrt(std::max(0.0, stage.from_rate * stage.from_rate + 2 * slope * wanted));
  const double below = stage.from_rate + root;
  const double seconds = below > 0 ? 2 * wanted / below : 0;
  return static_cast<std::int64_t>((stage_start_s_ + seconds) * 1e9);
}

}  // namespace headrace::load
