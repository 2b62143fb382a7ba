// When a batch fires and who is in it: the rules of `headrace.serving.batching.policy`, and tested with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "monotonic.h"

namespace headrace {

/// What holds for a model version now: its configuration, and what its controller decided last.
struct BatchParameters {
  std::size_t max_batch_rows = 1024;
  std::size_t max_queue_rows = 65'536;
  std::size_t admit_rows = SIZE_MAX;  // rows that may wait when a request is taken, its own included
  Nanos window = 0;
  std::size_t parallel = 1;
  Nanos unread = kNever;  // how long a request may have waited to be read
};

enum class Admission : std::uint8_t { kTaken, kFull, kShed };

/// Whether a request that waited `unread` in its socket may join the queue, where `waiting` rows wait and `running`
/// batches run.
inline Admission admits(const BatchParameters& parameters, std::size_t rows, std::size_t waiting, std::size_t running,
                        Nanos unread) {
  if (waiting == 0 && running < parameters.parallel) return Admission::kTaken;
  if (waiting != 0 && waiting + rows > parameters.max_queue_rows) return Admission::kFull;
  const bool late = waiting + rows > parameters.admit_rows || unread > parameters.unread;
  return late ? Admission::kShed : Admission::kTaken;
}

inline constexpr Nanos kFiresNow = INT64_MIN;

/// When the waiting requests may be taken: `kFiresNow`, `kNever` (not before a running batch ends), or a time.
inline Nanos fires_at(const BatchParameters& parameters, std::size_t rows, Nanos oldest, std::size_t running) {
  if (running >= parameters.parallel) return kNever;
  if (running == 0 || rows >= parameters.max_batch_rows) return kFiresNow;
  return oldest + parameters.window;
}

/// How much later a request counts as come for each level of priority below the first.
inline constexpr Nanos kPriorityStep = 100 * kMillisecond;

/// Level whose head is next: by arrival, a level of priority counting as a later arrival; `levels` if nothing waits.
template <typename Levels>
std::size_t next_level(const Levels& levels) {
  std::size_t next = levels.size();
  Nanos earliest = kNever;
  for (std::size_t level = 0; level < levels.size(); ++level) {
    if (levels[level].empty()) continue;
    const Nanos counted = levels[level].first()->enqueued + static_cast<Nanos>(level) * kPriorityStep;
    if (next == levels.size() || counted < earliest) {
      next = level;
      earliest = counted;
    }
  }
  return next;
}

}  // namespace headrace
