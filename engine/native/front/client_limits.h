// What one client may take from the server.
#pragma once

#include <cstddef>
#include <cstdint>

#include "monotonic.h"

namespace headrace {

struct Limits {
  std::size_t max_message_bytes = 64 << 20;
  std::size_t max_header_bytes = 16 << 10;
  std::size_t max_connections = 10'000;
  std::uint32_t max_streams = 1024;
  Nanos max_connection_age = kNever;
  Nanos max_connection_idle = kNever;
  Nanos keepalive = 120 * kSecond;
  Nanos handshake = 10 * kSecond;
};

/// Bodies of unfinished requests and unread answers that all connections together may hold.
inline constexpr std::size_t kBufferedBytes = 1U << 30;

/// Answers that one connection may leave unread, beside one of the largest size.
inline constexpr std::size_t kUnreadBytes = 64 << 20;

/// A request, and a client that reads its answers, must make progress within this time.
inline constexpr Nanos kStalled = 30 * kSecond;

/// Events that a client may cause and that cost the server work without an answer to show for it (resets of streams,
/// PING, SETTINGS, empty frames): a burst, then a rate. Beyond it the connection is closed with ENHANCE_YOUR_CALM.
class FloodGuard {
 public:
  bool allow(Nanos now) {
    if (refilled_ == 0) refilled_ = now;
    const Nanos refill = (now - refilled_) / kPerEvent;
    if (refill > 0) {
      tokens_ = refill > kBurst ? kBurst : (tokens_ + refill > kBurst ? kBurst : tokens_ + refill);
      refilled_ += refill * kPerEvent;
    }
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }

 private:
  static constexpr std::int64_t kBurst = 2000;
  static constexpr Nanos kPerEvent = 2 * kMillisecond;
  std::int64_t tokens_ = kBurst;
  Nanos refilled_ = 0;
};

}  // namespace headrace
