// Whether an answer carries the numbers that it should: the first raw output of a ModelInferResponse against what was
// computed elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "settings.h"

namespace headrace::load {

// The first `raw_output_contents` (field 6) of a ModelInferResponse; nothing where there is none or it is malformed.
std::optional<std::string_view> first_raw_output(std::string_view message);

class AnswerCheck {
 public:
  explicit AnswerCheck(const Settings& settings) : settings_(settings) {}

  bool wanted() const { return !settings_.expected.empty(); }

  // Compare the answer to body number `body`: a gRPC message with its prefix.
  void look(std::size_t body, std::string_view framed);

  std::uint64_t checked() const { return checked_; }
  std::uint64_t mismatches() const { return mismatches_; }
  std::int64_t first_mismatch() const { return first_mismatch_; }  // number of the body; -1: none
  double worst() const { return worst_; }                          // largest difference of two values

 private:
  bool matches(std::string_view found, std::string_view expected);

  const Settings& settings_;
  std::uint64_t checked_ = 0;
  std::uint64_t mismatches_ = 0;
  std::int64_t first_mismatch_ = -1;
  double worst_ = 0;
};

}  // namespace headrace::load
