// What one thread saw: how long answers took by status, second by second, and what the first errors said.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "histogram.h"
#include "settings.h"

namespace headrace::load {

inline constexpr std::size_t kStatuses = 17;  // of gRPC, OK first
inline constexpr std::uint8_t kUnknown = 2;
inline constexpr std::uint8_t kUnavailable = 14;

// One request's life, nanoseconds of the monotonic clock. `due` is when it should have been sent, `sent` when it was.
struct Times {
  std::int64_t due;
  std::int64_t sent;
  std::int64_t answered;
};

// Answers of one status. `response` counts from when a request was due, `service` from when it was sent.
struct Outcome {
  std::uint64_t answers = 0;
  std::uint64_t in_window = 0;  // answered between the warm-up and the end
  Histogram response;
  Histogram service;
};

// Something that the server said, the first time it did, and how often it said that or the same with other numbers.
struct Message {
  std::string text;
  std::uint64_t count = 0;
};

using Messages = std::map<std::pair<std::uint8_t, std::string>, Message>;  // by status and text without its numbers

struct Interval {
  std::array<std::uint32_t, kStatuses> answers{};
  std::uint32_t sent = 0;
  std::uint32_t in_flight = 0;  // when the interval ended
  std::int64_t max_ns = 0;
  Histogram::Sparse latencies;  // of OK answers, from when they were due
};

struct Sample {
  std::int64_t due;  // from the start of the run
  std::int64_t response;
  std::int64_t service;
  std::int64_t status;
};

class Recorder {
 public:
  explicit Recorder(const Settings& settings);

  // `start` is the run's; requests due before the warm-up's end, and answers after `end`, have their own rules.
  void begin(std::int64_t start, std::int64_t end);
  // A request was sent, `lag` after it could have been.
  void sent(std::int64_t due, std::int64_t lag) {
    ++sending_.sent;
    if (due >= measure_start_) lag_.add(lag);
  }
  void answered(std::uint8_t status, std::string_view message, const Times& times);
  void unanswered(std::uint64_t count) { unanswered_ += count; }
  void unsent(std::uint64_t count) { unsent_ += count; }

  // Close the intervals that are over.
  void roll(std::int64_t now, std::size_t in_flight);
  std::int64_t next_roll() const { return interval_end_; }
  void finish(std::int64_t now, std::size_t in_flight);

  // Any thread: intervals from `since` on.
  std::vector<Interval> intervals(std::size_t since) const;

  // After the run.
  const Outcome* outcome(std::size_t status) const { return outcomes_[status].get(); }
  const Messages& messages() const { return messages_; }
  const std::vector<Sample>& samples() const { return samples_; }
  const Histogram& lag() const { return lag_; }
  std::uint64_t unanswered() const { return unanswered_; }
  std::uint64_t unsent() const { return unsent_; }
  std::int64_t measure_start() const { return measure_start_; }
  std::int64_t last_answer() const { return last_answer_; }

 private:
  static constexpr std::size_t kMessages = 32;  // distinct ones that are kept

  void note(std::uint8_t status, std::string_view message);

  const std::int64_t warmup_;
  const std::int64_t interval_;
  const std::size_t max_samples_;
  std::int64_t start_ = 0;
  std::int64_t end_ = 0;
  std::int64_t measure_start_ = 0;
  std::int64_t interval_end_ = 0;
  std::int64_t last_answer_ = 0;
  std::array<std::unique_ptr<Outcome>, kStatuses> outcomes_;
  Messages messages_;
  std::vector<Sample> samples_;
  Histogram lag_;
  std::uint64_t unanswered_ = 0;
  std::uint64_t unsent_ = 0;
  Interval sending_;  // the open interval, without its latencies
  Histogram latencies_;
  mutable std::mutex mutex_;
  std::vector<Interval> intervals_;  // closed ones, under the mutex
};

}  // namespace headrace::load
