#include "answer_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace headrace::load {

namespace {

constexpr std::size_t kPrefix = 5;  // of a gRPC message: compressed or not, and its length
constexpr std::uint64_t kRawOutput = 6;

std::optional<std::uint64_t> read_varint(std::string_view& from) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(from.front());
    from.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  return std::nullopt;
}

// Size of a field's content, which starts at `from`; for a string the length has been taken off.
std::optional<std::uint64_t> field_size(std::uint64_t wire_type, std::string_view& from) {
  switch (wire_type) {
    case 0: {
      std::string_view rest = from;
      if (!read_varint(rest)) return std::nullopt;
      return from.size() - rest.size();
    }
    case 1:
      return 8;
    case 2:
      return read_varint(from);
    case 5:
      return 4;
    default:
      return std::nullopt;
  }
}

template <typename Value>
double largest_difference(std::string_view found, std::string_view expected) {
  double worst = 0;
  for (std::size_t at = 0; at < found.size(); at += sizeof(Value)) {
    Value left{};
    Value right{};
    std::memcpy(&left, found.data() + at, sizeof(Value));
    std::memcpy(&right, expected.data() + at, sizeof(Value));
    if (std::isnan(left) && std::isnan(right)) continue;
    const double difference = std::abs(static_cast<double>(left) - static_cast<double>(right));
    worst = std::isnan(difference) ? HUGE_VAL : std::max(worst, difference);
  }
  return worst;
}

}  // namespace

std::optional<std::string_view> first_raw_output(std::string_view message) {
  while (!message.empty()) {
    const auto tag = read_varint(message);
    if (!tag) return std::nullopt;
    const auto size = field_size(*tag & 7, message);
    if (!size || *size > message.size()) return std::nullopt;
    if (*tag >> 3 == kRawOutput && (*tag & 7) == 2) return message.substr(0, *size);
    message.remove_prefix(*size);
  }
  return std::nullopt;
}

void AnswerCheck::look(std::size_t body, std::string_view framed) {
  ++checked_;
  const bool whole = framed.size() >= kPrefix && framed.front() == 0;
  const auto found = whole ? first_raw_output(framed.substr(kPrefix)) : std::nullopt;
  if (found && matches(*found, settings_.expected[body])) return;
  ++mismatches_;
  if (first_mismatch_ < 0) first_mismatch_ = static_cast<std::int64_t>(body);
}

bool AnswerCheck::matches(std::string_view found, std::string_view expected) {
  if (found.size() != expected.size()) return false;
  if (settings_.value_bytes == 1) return found == expected;
  const double difference =
      settings_.value_bytes == 4 ? largest_difference<float>(found, expected) : largest_difference<double>(found, expected);
  worst_ = std::max(worst_, difference);
  return difference <= settings_.tolerance;
}

}  // namespace headrace::load
