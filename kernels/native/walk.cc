#include "walk.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace headrace::forest {
namespace {

constexpr std::uint16_t kNever = std::numeric_limits<std::uint16_t>::max();  // no rank lies above

std::uint32_t depth_below(const Arrays& arrays, std::int32_t root) {
  std::vector<std::pair<std::int32_t, std::uint32_t>> open{{root, 0}};
  std::uint32_t deepest = 0;
  while (!open.empty()) {
    const auto [child, depth] = open.back();
    open.pop_back();
    deepest = std::max(deepest, depth);
    if (child < 0) continue;
    open.emplace_back(arrays.node_left[static_cast<std::size_t>(child)], depth + 1);
    open.emplace_back(arrays.node_right[static_cast<std::size_t>(child)], depth + 1);
  }
  return deepest;
}

}  // namespace

Walk::Walk(const Arrays& arrays, std::span<const RankTest> tests) {
  const std::size_t n_trees = arrays.tree_root.size();
  std::vector<std::uint32_t> roots, depths, order(n_trees);
  for (const std::int32_t root : arrays.tree_root) {
    roots.push_back(static_cast<std::uint32_t>(nodes_.size()));
    depths.push_back(depth_below(arrays, root));
    place(arrays, tests, root);
  }
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return depths[a] < depths[b]; });
  for (std::size_t first = 0; first < n_trees; first += kTogether) {
    Group group{};
    for (std::size_t i = 0; i < kTogether; ++i) {
      const std::uint32_t tree = order[std::min(first + i, n_trees - 1)];  // the last group walks its last tree again
      group.tree[i] = tree;
      group.root[i] = roots[tree];
      group.depth = std::max(group.depth, depths[tree]);
    }
    steps_ += group.depth * kTogether;
    groups_.push_back(group);
  }
}

void Walk::place(const Arrays& arrays, std::span<const RankTest> tests, std::int32_t root) {
  const std::size_t first = nodes_.size();
  std::vector<std::int32_t> queue{root};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const std::int32_t child = queue[i];
    if (child < 0) {
      nodes_.push_back({0, kNever, static_cast<std::uint32_t>(first + i)});
      leaf_of_.push_back(static_cast<std::uint32_t>(~child));
      continue;
    }
    const RankTest test = tests[static_cast<std::size_t>(child)];
    nodes_.push_back({static_cast<std::uint16_t>(test.column), static_cast<std::uint16_t>(test.rank),
                      static_cast<std::uint32_t>(first + queue.size())});
    leaf_of_.push_back(0);
    queue.push_back(arrays.node_left[static_cast<std::size_t>(child)]);
    queue.push_back(arrays.node_right[static_cast<std::size_t>(child)]);
  }
}

void Walk::find_leaves(const std::uint16_t* ranks, std::uint32_t* leaves) const {
  const WalkNode* const nodes = nodes_.data();
  for (const Group& group : groups_) {
    std::uint32_t at[kTogether];
    for (std::size_t i = 0; i < kTogether; ++i) at[i] = group.root[i];
    for (std::uint32_t step = 0; step < group.depth; ++step) {
      for (std::size_t i = 0; i < kTogether; ++i) {
        const WalkNode node = nodes[at[i]];
        at[i] = node.left + (ranks[node.column] > node.rank ? 1 : 0);
      }
    }
    for (std::size_t i = 0; i < kTogether; ++i) leaves[group.tree[i]] = leaf_of_[at[i]];
  }
}

}  // namespace headrace::forest
