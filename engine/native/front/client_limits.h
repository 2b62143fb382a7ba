// What one client may take from the server.
#pragma once

#include <algorithm>
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

/// What may happen so often in a burst, and so often after that. Not locked: its owner is.
class TokenBucket {
 public:
  TokenBucket(std::int64_t burst, Nanos per_token) : burst_(burst), per_token_(per_token), tokens_(burst) {}

  /// Take a token; false where there is none.
  bool take(Nanos now) {
    if (refilled_ == 0) refilled_ = now;
    const Nanos refill = (now - refilled_) / per_token_;
    if (refill > 0) {
      tokens_ = std::min(tokens_ + std::min(refill, burst_), burst_);
      refilled_ += refill * per_token_;
    }
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }

 private:
  const std::int64_t burst_;
  const Nanos per_token_;
  std::int64_t tokens_;
  Nanos refilled_ = 0;
};

/// Events that a client may cause and that cost the server work without an answer to show for it (resets of streams,
/// PING, SETTINGS, empty frames). Beyond it the connection is closed with ENHANCE_YOUR_CALM.
inline TokenBucket flood_guard() { return {2000, 2 * kMillisecond}; }

}  // namespace headrace
