// A log-linear histogram of nanoseconds: 256 buckets an octave, so a value is known to 0.4 % of itself, up to 73 minutes.
// Buckets are read by headrace/load/histogram.py, which has the same arithmetic in the other direction.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

namespace headrace::load {

class Histogram {
 public:
  static constexpr int kBits = 8;
  static constexpr int kMaxPower = 42;
  static constexpr std::uint32_t kSize = (kMaxPower - kBits + 1) << kBits;
  using Sparse = std::vector<std::pair<std::uint32_t, std::uint64_t>>;

  static constexpr std::uint32_t index(std::uint64_t value) {
    if (value < (1U << kBits)) return static_cast<std::uint32_t>(value);
    value = std::min(value, (std::uint64_t{1} << kMaxPower) - 1);
    const int shift = 63 - std::countl_zero(value) - kBits;
    return (static_cast<std::uint32_t>(shift) << kBits) + static_cast<std::uint32_t>(value >> shift);
  }

  void add(std::int64_t nanoseconds) {
    const std::uint32_t bucket = index(static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds, 0)));
    ++counts_[bucket];
    low_ = std::min(low_, bucket);
    high_ = std::max(high_, bucket);
    max_ = std::max(max_, nanoseconds);
  }

  // What is not empty, in order.
  Sparse sparse() const {
    Sparse found;
    for (std::uint32_t bucket = low_; bucket <= high_ && bucket < kSize; ++bucket) {
      if (counts_[bucket] != 0) found.emplace_back(bucket, counts_[bucket]);
    }
    return found;
  }

  std::int64_t max() const { return max_; }

  void clear() {
    if (low_ <= high_) std::fill(counts_.begin() + low_, counts_.begin() + high_ + 1, 0);
    low_ = kSize;
    high_ = 0;
    max_ = 0;
  }

 private:
  std::array<std::uint64_t, kSize> counts_{};
  std::uint32_t low_ = kSize;
  std::uint32_t high_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace headrace::load
