// gRPC over HTTP/2: timeouts, status numbers, message framing and the escaping of error texts.
// Reference: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "monotonic.h"

namespace headrace {

enum class Status : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};
inline constexpr std::size_t kStatusCount = 17;

inline constexpr std::size_t kFrameHeaderBytes = 5;

/// Duration of a `grpc-timeout` header field: one to eight digits and a unit; nothing where it is malformed.
std::optional<Nanos> parse_timeout(std::string_view text);

/// Percent-encode an error text for `grpc-message`.
void escape_message(std::string_view text, std::string& out);

/// Length of a gRPC frame's message, from its four big-endian bytes.
inline std::uint32_t frame_length(const char* header) {
  const auto* byte = reinterpret_cast<const unsigned char*>(header);
  return static_cast<std::uint32_t>(byte[1]) << 24 | static_cast<std::uint32_t>(byte[2]) << 16 |
         static_cast<std::uint32_t>(byte[3]) << 8 | static_cast<std::uint32_t>(byte[4]);
}

/// Append the five bytes that go before a message: not compressed, this long.
inline void append_frame_header(std::string& out, std::size_t size) {
  const char header[kFrameHeaderBytes] = {0, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                                          static_cast<char>(size >> 8), static_cast<char>(size)};
  out.append(header, kFrameHeaderBytes);
}

}  // namespace headrace
