// What a lane did: counts by status and histograms, with the bounds that Python's statistics have.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "grpc.h"
#include "monotonic.h"

namespace headrace {

class Histogram {
 public:
  explicit Histogram(std::vector<Nanos> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  void observe(Nanos value) {
    ++counts_[static_cast<std::size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin())];
    total_ += value;
  }
  [[nodiscard]] const std::vector<std::uint64_t>& counts() const { return counts_; }
  [[nodiscard]] Nanos total() const { return total_; }

 private:
  std::vector<Nanos> bounds_;
  std::vector<std::uint64_t> counts_;
  Nanos total_ = 0;
};

/// Why a request got no answer of the model, in the order of Python's names for it.
enum class Drop : std::uint8_t {
  kQueueFull,
  kOverTarget,
  kExpiredWaiting,
  kExpiredRunning,
  kCancelledWaiting,
  kCancelledRunning,
};
inline constexpr std::size_t kDropCount = 6;

struct LaneStatistics {
  explicit LaneStatistics(const std::vector<Nanos>& bounds) : latency(bounds), failed_latency(bounds), queue(bounds) {}

  void request_ended(Status status, Nanos duration) {
    ++requests[static_cast<std::size_t>(status)];
    (status == Status::kOk ? latency : failed_latency).observe(duration);
  }

  void drop(Drop reason) { ++dropped[static_cast<std::size_t>(reason)]; }

  std::array<std::uint64_t, kStatusCount> requests{};
  std::array<std::uint64_t, kDropCount> dropped{};
  std::uint64_t rows = 0;     // answered
  std::uint64_t batches = 0;  // answered
  Histogram latency;
  Histogram failed_latency;
  Histogram queue;
};

}  // namespace headrace
