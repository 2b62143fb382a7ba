// A plain ModelInfer request read from its bytes, without a copy.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace headrace {

inline constexpr std::size_t kMaxTensors = 16;
inline constexpr std::size_t kMaxDimensions = 8;

struct TensorView {
  std::string_view name;
  std::string_view datatype;
  std::array<std::int64_t, kMaxDimensions> shape;  // of which `dimensions` are set
  std::size_t dimensions = 0;
};

/// Views into the message: valid as long as its bytes are.
struct InferRequest {
  std::string_view model;
  std::string_view version;
  std::string_view id;
  std::array<TensorView, kMaxTensors> inputs;
  std::size_t input_count = 0;
  std::array<std::string_view, kMaxTensors> raw;
  std::size_t raw_count = 0;
  std::array<std::string_view, kMaxTensors> outputs;
  std::size_t output_count = 0;
  std::string_view routing_key;  // what a split of the traffic hashes; empty: not given
  std::string_view ids;          // one a row, joined by newlines; empty: not given
  std::uint64_t priority = 0;    // 0: not given
  std::int64_t timeout_us = 0;   // 0: not given
};

/// Read a plain request: raw contents, ASCII texts, no parameters but `timeout`, `priority`, `routing_key` and `ids`.
///
/// Returns false for everything else, be it a rarer form or an error: the Python service reads those again and answers
/// or refuses them in its words, so that both transports accept the same requests and give the same reasons.
bool read_plain(std::string_view message, InferRequest& request);

}  // namespace headrace
