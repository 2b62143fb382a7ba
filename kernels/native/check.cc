#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "arrays.h"

namespace headrace::forest {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string("not a forest: ") + what);
}

void check_columns(const Arrays& arrays) {
  const std::size_t n = arrays.column_feature.size();
  require(arrays.column_kind.size() == n && arrays.table_start.size() == n + 1, "columns differ in length");
  require(arrays.table_start[0] == 0, "tables do not start at 0");
  for (std::size_t column = 0; column < n; ++column) {
    const std::int64_t length = arrays.table_start[column + 1] - arrays.table_start[column];
    const bool table = arrays.column_kind[column] == static_cast<std::uint8_t>(Kind::kTable);
    require(arrays.column_feature[column] >= 0 && arrays.column_feature[column] < arrays.n_features,
            "a column reads a feature that is not there");
    require(arrays.column_kind[column] <= static_cast<std::uint8_t>(Kind::kTable), "a column is of no known kind");
    require(table ? length > 0 && length <= 1 << 24 : length == 0, "a table is empty, too long or not a table's");
  }
  require(arrays.table_start[n] == static_cast<std::int64_t>(arrays.tables.size()), "tables do not end at their end");
}

// Every node and leaf must be reached exactly once: then the walks end, and positions fit.
void check_trees(const Arrays& arrays) {
  std::vector<bool> seen(arrays.node_column.size()), seen_leaf(static_cast<std::size_t>(arrays.n_leaves));
  std::vector<std::int32_t> open;
  std::size_t found = 0;
  for (const std::int32_t root : arrays.tree_root) {
    open.push_back(root);
    while (!open.empty()) {
      const std::int32_t child = open.back();
      open.pop_back();
      std::vector<bool>& marks = child < 0 ? seen_leaf : seen;
      const std::size_t position = static_cast<std::size_t>(child < 0 ? ~child : child);
      require(position < marks.size() && !marks[position], "a child is not there, or has two parents");
      marks[position] = true;
      ++found;
      if (child < 0) continue;
      open.push_back(arrays.node_left[position]);
      open.push_back(arrays.node_right[position]);
    }
  }
  require(found == seen.size() + seen_leaf.size(), "a node or leaf belongs to no tree");
}

}  // namespace

void check(const Arrays& arrays) {
  const std::size_t n_nodes = arrays.node_column.size();
  require(arrays.n_features > 0 && arrays.n_targets > 0 && arrays.width > 0, "features, targets and width start at 1");
  require(arrays.node_split.size() == n_nodes && arrays.node_nan_left.size() == n_nodes &&
              arrays.node_left.size() == n_nodes && arrays.node_right.size() == n_nodes,
          "nodes differ in length");
  require(!arrays.tree_root.empty(), "no trees");
  require(arrays.tree_targets.size() == arrays.tree_root.size() * static_cast<std::size_t>(arrays.width),
          "targets differ in length");
  check_columns(arrays);
  for (std::size_t node = 0; node < n_nodes; ++node) {
    const std::int32_t column = arrays.node_column[node];
    require(column >= 0 && static_cast<std::size_t>(column) < arrays.column_feature.size(), "a node reads no column");
    require(!std::isnan(arrays.node_split[node]), "a split is NaN");
  }
  for (const std::int32_t target : arrays.tree_targets) {
    require(target >= 0 && target < arrays.n_targets, "a tree adds to no target");
  }
  check_trees(arrays);
}

}  // namespace headrace::forest
