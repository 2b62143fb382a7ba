// One row at a time: several trees side by side, so that a step of one waits while the others go on. For few rows.
//
// Reference: Asadi, Lin and de Vries, Runtime Optimizations for Tree-Based Machine Learning Models (TKDE 2014).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "arrays.h"
#include "columns.h"

namespace headrace::forest {

// Children lie side by side; a leaf is its own left child and sends nothing right.
struct WalkNode {
  std::uint16_t column;
  std::uint16_t rank;
  std::uint32_t left;
};

class Walk {
 public:
  static constexpr std::size_t kTogether = 8;

  Walk(const Arrays& arrays, std::span<const RankTest> tests);

  // Write each tree's leaf, in the caller's numbering, for one row's ranks.
  void find_leaves(const std::uint16_t* ranks, std::uint32_t* leaves) const;

  // Steps over all trees: what a row costs.
  std::size_t steps() const { return steps_; }

 private:
  struct Group {
    std::uint32_t depth;
    std::uint32_t tree[kTogether];
    std::uint32_t root[kTogether];
  };

  void place(const Arrays& arrays, std::span<const RankTest> tests, std::int32_t root);

  std::vector<WalkNode> nodes_;
  std::vector<std::uint32_t> leaf_of_;  // by node; only leaves' are read
  std::vector<Group> groups_;           // trees of like depth
  std::size_t steps_ = 0;
};

}  // namespace headrace::forest
