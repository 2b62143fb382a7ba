// A forest as it comes in: flat arrays that describe trees, columns and leaves.
#pragma once

#include <cstdint>
#include <span>

namespace headrace::forest {

// What a split reads. A plain column is a feature as it is; zero-missing turns every |x| <= 1e-35 into NaN; a table looks
// a category up and sends the row right where it says 1.
enum class Kind : std::uint8_t { kPlain = 0, kZeroMissing = 1, kTable = 2 };

// Children are nodes from 0 on, leaves as ~leaf. Everything is checked by `check` before anything is built of it.
struct Arrays {
  std::int64_t n_features;
  std::int64_t n_targets;
  std::span<const std::int32_t> column_feature;
  std::span<const std::uint8_t> column_kind;
  std::span<const std::int64_t> table_start;   // n_columns + 1, into `tables`; empty where the column has none
  std::span<const std::uint8_t> tables;        // entry 0 is for no category, entry c + 1 for category c; 1 goes right
  std::span<const std::int32_t> node_column;
  std::span<const float> node_split;           // x <= split goes left
  std::span<const std::uint8_t> node_nan_left;
  std::span<const std::int32_t> node_left;
  std::span<const std::int32_t> node_right;
  std::span<const std::int32_t> tree_root;
  std::span<const std::int32_t> tree_targets;  // n_trees x width
  std::int64_t n_leaves;
  std::int64_t width;                          // values of a leaf
};

// Throws std::invalid_argument where lengths or references do not agree, or where a node has not exactly one parent.
void check(const Arrays& arrays);

}  // namespace headrace::forest
