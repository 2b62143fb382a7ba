#include "blocks.h"

#include <algorithm>
#include <limits>

namespace headrace::forest {

bool Blocks::build(const Arrays& arrays, std::span<const RankTest> tests) {
  constexpr std::size_t kMostSlots = std::numeric_limits<std::uint16_t>::max();
  std::vector<std::int32_t> queue;
  for (const std::int32_t root : arrays.tree_root) {
    BlockTree tree{static_cast<std::uint32_t>(nodes.size()), 0, static_cast<std::uint32_t>(leaf_slots.size()), 0};
    queue.assign(1, root);  // position in the queue = slot
    for (std::size_t slot = 0; slot < queue.size(); ++slot) {
      const std::int32_t child = queue[slot];
      if (slot > kMostSlots) return false;
      if (child < 0) {
        leaf_slots.push_back(static_cast<std::uint16_t>(slot));
        leaf_ids.push_back(static_cast<std::uint32_t>(~child));
        continue;
      }
      const std::size_t node = static_cast<std::size_t>(child);
      if (tests[node].rank > kMostSlots) return false;
      nodes.push_back({tests[node].column, static_cast<std::uint16_t>(tests[node].rank),
                       static_cast<std::uint16_t>(slot)});
      queue.push_back(arrays.node_left[node]);
      queue.push_back(arrays.node_right[node]);
    }
    tree.n_nodes = static_cast<std::uint32_t>(nodes.size()) - tree.first_node;
    tree.n_leaves = static_cast<std::uint32_t>(leaf_slots.size()) - tree.first_leaf;
    most_slots = std::max(most_slots, static_cast<std::uint32_t>(queue.size()));
    most_leaves = std::max(most_leaves, tree.n_leaves);
    trees.push_back(tree);
  }
  return true;
}

}  // namespace headrace::forest
