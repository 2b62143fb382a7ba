// A ModelInfer answer, encoded for one member of a batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lane.h"

namespace headrace {

/// One output of a whole batch: `rows` rows of `row_bytes` bytes, row-major.
struct OutputView {
  const char* data = nullptr;
  std::size_t rows = 0;
  std::size_t row_bytes = 0;
  std::vector<std::int64_t> trailing;
};

/// Append the framed ModelInferResponse of `request`, whose rows begin at `row` of the outputs.
void append_answer(std::string& out, const LaneSpec& spec, const Request& request,
                   const std::vector<OutputView>& outputs, std::size_t row);

}  // namespace headrace
