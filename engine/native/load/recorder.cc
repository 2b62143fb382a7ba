#include "recorder.h"

#include "clock.h"

namespace headrace::load {

Recorder::Recorder(const Settings& settings)
    : warmup_(seconds_ns(settings.warmup_s)),
      interval_(seconds_ns(settings.interval_s)),
      max_samples_(settings.max_samples) {
  samples_.reserve(max_samples_);
}

void Recorder::begin(std::int64_t start, std::int64_t end) {
  start_ = start;
  end_ = end;
  measure_start_ = start + warmup_;
  interval_end_ = start + interval_;
  last_answer_ = measure_start_;
}

void Recorder::answered(std::uint8_t status, std::string_view message, const Times& times) {
  ++sending_.answers[status];
  const std::int64_t response = times.answered - times.due;
  if (status == 0) latencies_.add(response);
  if (status != 0) note(status, message);
  auto& outcome = outcomes_[status];
  if (!outcome) outcome = std::make_unique<Outcome>();
  if (times.answered >= measure_start_ && times.answered < end_) ++outcome->in_window;
  if (times.due < measure_start_) return;
  last_answer_ = times.answered;
  ++outcome->answers;
  outcome->response.add(response);
  outcome->service.add(times.answered - times.sent);
  if (samples_.size() < max_samples_) samples_.push_back({times.due - start_, response, times.answered - times.sent, status});
}

void Recorder::note(std::uint8_t status, std::string_view message) {
  auto key = std::pair{status, std::string()};
  for (const char letter : message) {
    const bool digit = letter >= '0' && letter <= '9';
    if (!digit || key.second.empty() || key.second.back() != '0') key.second += digit ? '0' : letter;
  }
  const auto found = messages_.find(key);
  if (found != messages_.end()) {
    ++found->second.count;
  } else if (messages_.size() < kMessages) {
    messages_.emplace(std::move(key), Message{std::string(message), 1});
  }
}

void Recorder::roll(std::int64_t now, std::size_t in_flight) {
  while (now >= interval_end_) {
    sending_.in_flight = static_cast<std::uint32_t>(in_flight);
    sending_.max_ns = latencies_.max();
    sending_.latencies = latencies_.sparse();
    latencies_.clear();
    {
      const std::lock_guard lock(mutex_);
      intervals_.push_back(std::move(sending_));
    }
    sending_ = Interval{};
    interval_end_ += interval_;
  }
}

void Recorder::finish(std::int64_t now, std::size_t in_flight) { roll(now + interval_, in_flight); }

std::vector<Interval> Recorder::intervals(std::size_t since) const {
  const std::lock_guard lock(mutex_);
  if (since >= intervals_.size()) return {};
  return {intervals_.begin() + static_cast<std::ptrdiff_t>(since), intervals_.end()};
}

}  // namespace headrace::load
