// From values to ranks. A split asks `x <= t` for one of finitely many t of its column; with those sorted, the answer
// follows from how many of them lie below x. So each value is ranked once and all nodes compare small integers: exact,
// because ranks order as values do.
#pragma once

#include <cstdint>
#include <vector>

#include "arrays.h"

namespace headrace::forest {

// Thresholds of one column in blocks of 16, padded with +inf, the last block with at least one; `tops` holds the last
// threshold of each block, padded likewise: two comparisons of 16 find the rank among up to 255.
struct Bins {
  std::uint32_t feature;
  Kind kind;
  std::int32_t low;   // rank column where NaN goes left, or -1
  std::int32_t high;  // rank column where NaN goes right, or -1
  std::uint32_t n;
  std::uint32_t blocks;
  const float* thresholds;
  const float* tops;
};

// Columns that look categories up: row c + 1 of `rows` is copied for category c, row 0 for anything else.
struct Lookup {
  std::uint32_t feature;
  std::uint32_t first;  // rank column
  std::uint32_t count;
  std::uint32_t n_rows;
  const std::uint8_t* rows;
};

// Where a node looks: x goes left if and only if its rank in the column is at most `rank`.
struct RankTest {
  std::uint32_t column;
  std::uint32_t rank;
};

class Columns {
 public:
  explicit Columns(const Arrays& arrays);

  std::uint32_t count() const { return count_; }
  std::uint32_t highest_rank() const { return highest_rank_; }
  const std::vector<Bins>& bins() const { return bins_; }
  const std::vector<Lookup>& lookups() const { return lookups_; }
  const std::vector<RankTest>& tests() const { return tests_; }  // by node

 private:
  void add_bins(const Arrays& arrays);
  void add_lookups(const Arrays& arrays);

  std::uint32_t count_ = 0;
  std::uint32_t highest_rank_ = 1;
  std::vector<Bins> bins_;
  std::vector<Lookup> lookups_;
  std::vector<RankTest> tests_;
  std::vector<std::vector<float>> floats_;
  std::vector<std::vector<std::uint8_t>> bytes_;
};

}  // namespace headrace::forest
