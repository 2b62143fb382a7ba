// A forest ready to score rows: ranks, then leaves, then sums in the order of the trees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "arrays.h"
#include "blocks.h"
#include "columns.h"
#include "walk.h"

namespace headrace::forest {

// The instructions of a name ("plain", "avx2", "avx512"), or the best there are for an empty one; nullptr if not here.
const Instructions* find_instructions(std::string_view name);

// How rows are scored: whichever costs less, or one of the two.
enum class Method { kAutomatic, kBlocks, kWalk };

// Sum is double or float, the type ONNX Runtime adds in. Immutable once built: any threads may score at the same time.
template <typename Sum>
class Forest {
 public:
  // Throws std::invalid_argument where the arrays contradict each other or the forest is beyond 16-bit ranks.
  Forest(const Arrays& arrays, std::span<const Sum> values, std::span<const Sum> base);

  // rows: float[n_rows, n_features]; scores: Sum[n_rows, n_targets]. Sums start at 0, take the trees in order, then the
  // base.
  void score(const float* rows, std::size_t n_rows, Sum* scores, const Instructions& with, Method method) const;

 private:
  template <typename Element>
  void score_blocks(const float* rows, std::size_t n_rows, Sum* scores, const Instructions& with) const;
  void score_walking(const float* rows, std::size_t n_rows, Sum* scores, const Instructions& with) const;
  template <typename Element>
  void look_up(const float* row, Element* ranks, std::size_t stride) const;
  template <typename Element>
  void add_leaves(std::size_t tree, const Element* leaves, std::size_t lanes, Sum* sums,
                  const Instructions& with) const;
  std::size_t fewest_for_blocks(std::size_t lanes) const;

  std::size_t n_features_;
  std::size_t n_targets_;
  std::size_t width_;
  Columns columns_;
  Walk walk_;
  std::optional<Blocks> blocks_;
  std::vector<Sum> base_;            // [n_targets], or none
  std::vector<Sum> values_;          // [n_leaves, width], as they came
  std::vector<Sum> block_values_;    // [width, n_leaves] a tree, by position in the block layout
  std::vector<std::uint32_t> targets_;
};

extern template class Forest<double>;
extern template class Forest<float>;

}  // namespace headrace::forest
