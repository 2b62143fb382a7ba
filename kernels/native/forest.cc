#include "forest.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <type_traits>

namespace headrace::forest {
namespace {

constexpr std::size_t kAlignment = 64;

// Memory a thread uses again from call to call: what a block needs is a few hundred kilobytes, which would cost more to
// map anew than to fill.
std::byte* borrow_scratch(std::size_t bytes) {
  struct Aligned {
    void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{kAlignment}); }
  };
  thread_local std::unique_ptr<std::byte[], Aligned> memory;
  thread_local std::size_t size = 0;
  if (size < bytes) {
    memory.reset(new (std::align_val_t{kAlignment}) std::byte[bytes]());
    size = bytes;
  }
  return memory.get();
}

constexpr std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// 0 for what is no category of the table, else 1 + the value truncated toward zero.
std::size_t table_row(const Lookup& lookup, float value) {
  const bool known = value > -1.0f && value < static_cast<float>(lookup.n_rows - 1);
  return known ? static_cast<std::size_t>(std::fabs(value)) + 1 : 0;
}

}  // namespace

const Instructions* find_instructions(std::string_view name) {
  bool avx2 = false, avx512 = false;
#if defined(__x86_64__)
  avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
  avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
#endif
  for (const Instructions* each : {avx512 ? kAvx512 : nullptr, avx2 ? kAvx2 : nullptr, kPlain}) {
    if (each != nullptr && (name.empty() || name == each->name)) return each;
  }
  return nullptr;
}

template <typename Sum>
Forest<Sum>::Forest(const Arrays& arrays, std::span<const Sum> values, std::span<const Sum> base)
    : n_features_((check(arrays), static_cast<std::size_t>(arrays.n_features))),
      n_targets_(static_cast<std::size_t>(arrays.n_targets)),
      width_(static_cast<std::size_t>(arrays.width)),
      columns_(arrays),
      walk_(arrays, columns_.tests()),
      base_(base.begin(), base.end()),
      values_(values.begin(), values.end()),
      targets_(arrays.tree_targets.begin(), arrays.tree_targets.end()) {
  if (columns_.count() > 0xFFFF || columns_.highest_rank() >= 0xFFFF) {
    throw std::invalid_argument("the forest tests more than 65,534 thresholds of a column, or as many columns");
  }
  if (!base_.empty() && base_.size() != n_targets_) {
    throw std::invalid_argument("not a forest: bases and targets differ in number");
  }
  Blocks blocks;
  if (!blocks.build(arrays, columns_.tests())) return;
  for (const BlockTree& tree : blocks.trees) {
    for (std::size_t target = 0; target < width_; ++target) {
      for (std::uint32_t i = 0; i < tree.n_leaves; ++i) {
        block_values_.push_back(values_[blocks.leaf_ids[tree.first_leaf + i] * width_ + target]);
      }
    }
  }
  blocks_ = std::move(blocks);
}

template <typename Sum>
void Forest<Sum>::score(const float* rows, std::size_t n_rows, Sum* scores, const Instructions& with,
                        Method method) const {
  const bool bytes = blocks_ && columns_.highest_rank() <= 0xFF && blocks_->most_leaves <= 0x100;
  const std::size_t lanes = bytes ? with.lanes8 : with.lanes16;
  const std::size_t fewest = method == Method::kBlocks ? 1 : fewest_for_blocks(lanes);
  std::size_t n_blocked = 0;
  if (blocks_ && method != Method::kWalk) {
    n_blocked = n_rows % lanes >= fewest ? n_rows : n_rows / lanes * lanes;
    if (fewest > lanes) n_blocked = 0;
    bytes ? score_blocks<std::uint8_t>(rows, n_blocked, scores, with)
          : score_blocks<std::uint16_t>(rows, n_blocked, scores, with);
  }
  score_walking(rows + n_blocked * n_features_, n_rows - n_blocked, scores + n_blocked * n_targets_, with);
  for (std::size_t i = 0; !base_.empty() && i < n_rows * n_targets_; ++i) scores[i] += base_[i % n_targets_];
}

// The number of rows from which a block costs less than walking them. The costs are nanoseconds of one processor; what
// counts is how they compare: a node in a block to a row's leaf in a tree and to a step on the way to it.
template <typename Sum>
std::size_t Forest<Sum>::fewest_for_blocks(std::size_t lanes) const {
  constexpr double kNode = 1.6, kLeaf = 0.3, kStep = 0.6;
  const double block = kNode * static_cast<double>(blocks_ ? blocks_->nodes.size() : 0) +
                       kLeaf * static_cast<double>(lanes * targets_.size());
  return static_cast<std::size_t>(block / (kStep * static_cast<double>(walk_.steps()) + 1.0)) + 1;
}

template <typename Sum>
template <typename Element>
void Forest<Sum>::look_up(const float* row, Element* ranks, std::size_t stride) const {
  for (const Lookup& lookup : columns_.lookups()) {
    const std::uint8_t* const entries = lookup.rows + table_row(lookup, row[lookup.feature]) * lookup.count;
    for (std::uint32_t i = 0; i < lookup.count; ++i) ranks[(lookup.first + i) * stride] = entries[i];
  }
}

template <typename Sum>
template <typename Element>
void Forest<Sum>::add_leaves(std::size_t tree, const Element* leaves, std::size_t lanes, Sum* sums,
                             const Instructions& with) const {
  const BlockTree& block = blocks_->trees[tree];
  const Sum* values = block_values_.data() + block.first_leaf * width_;
  for (std::size_t i = 0; i < width_; ++i, values += block.n_leaves) {
    Sum* const column = sums + targets_[tree * width_ + i] * lanes;
    if constexpr (std::is_same_v<Element, std::uint8_t>) {
      if constexpr (std::is_same_v<Sum, double>) {
        with.add_f64_8(column, values, leaves);
      } else {
        with.add_f32_8(column, values, leaves);
      }
    } else {
      for (std::size_t row = 0; row < lanes; ++row) column[row] += values[leaves[row]];
    }
  }
}

template <typename Sum>
template <typename Element>
void Forest<Sum>::score_blocks(const float* rows, std::size_t n_rows, Sum* scores, const Instructions& with) const {
  constexpr bool kBytes = std::is_same_v<Element, std::uint8_t>;
  const std::size_t lanes = kBytes ? with.lanes8 : with.lanes16;
  const std::size_t ranks_bytes = aligned(columns_.count() * lanes * sizeof(Element));
  const std::size_t reached_bytes = aligned(blocks_->most_slots * std::size_t{with.set_bytes});
  const std::size_t leaves_bytes = aligned(lanes * sizeof(Element));
  const std::size_t sums_bytes = n_targets_ * lanes * sizeof(Sum);
  std::byte* const memory = borrow_scratch(ranks_bytes + reached_bytes + leaves_bytes + sums_bytes);
  const BlockScratch scratch{memory, memory + ranks_bytes, memory + ranks_bytes + reached_bytes};
  Element* const ranks = static_cast<Element*>(scratch.ranks);
  const Element* const leaves = static_cast<const Element*>(scratch.leaves);
  Sum* const sums = reinterpret_cast<Sum*>(memory + ranks_bytes + reached_bytes + leaves_bytes);
  for (std::size_t first = 0; first < n_rows; first += lanes) {
    const std::size_t n = std::min(lanes, n_rows - first);
    for (std::size_t row = 0; row < n; ++row) {
      const float* const values = rows + (first + row) * n_features_;
      if constexpr (kBytes) {
        with.rank8(columns_.bins().data(), columns_.bins().size(), values, ranks + row, lanes);
      } else {
        with.rank16(columns_.bins().data(), columns_.bins().size(), values, ranks + row, lanes);
      }
      look_up(values, ranks + row, lanes);
    }
    std::fill(sums, sums + n_targets_ * lanes, Sum{0});
    for (std::size_t tree = 0; tree < blocks_->trees.size(); ++tree) {
      kBytes ? with.leaves8(*blocks_, tree, scratch) : with.leaves16(*blocks_, tree, scratch);
      add_leaves(tree, leaves, lanes, sums, with);
    }
    for (std::size_t row = 0; row < n; ++row) {
      for (std::size_t target = 0; target < n_targets_; ++target) {
        scores[(first + row) * n_targets_ + target] = sums[target * lanes + row];
      }
    }
  }
}

template <typename Sum>
void Forest<Sum>::score_walking(const float* rows, std::size_t n_rows, Sum* scores, const Instructions& with) const {
  const std::size_t n_trees = targets_.size() / width_;
  const std::size_t ranks_bytes = aligned((columns_.count() + 1) * sizeof(std::uint16_t));
  std::byte* const memory = borrow_scratch(ranks_bytes + n_trees * sizeof(std::uint32_t));
  std::uint16_t* const ranks = reinterpret_cast<std::uint16_t*>(memory);
  std::uint32_t* const leaves = reinterpret_cast<std::uint32_t*>(memory + ranks_bytes);
  std::fill(scores, scores + n_rows * n_targets_, Sum{0});
  for (std::size_t row = 0; row < n_rows; ++row) {
    const float* const values = rows + row * n_features_;
    with.rank16(columns_.bins().data(), columns_.bins().size(), values, ranks, 1);
    look_up(values, ranks, 1);
    walk_.find_leaves(ranks, leaves);
    Sum* const sums = scores + row * n_targets_;
    if (n_targets_ == 1 && width_ == 1) {  // in memory, each addition would wait for the last one's store
      Sum sum{0};
      for (std::size_t tree = 0; tree < n_trees; ++tree) sum += values_[leaves[tree]];
      sums[0] = sum;
      continue;
    }
    for (std::size_t tree = 0; tree < n_trees; ++tree) {
      const Sum* const own = values_.data() + leaves[tree] * width_;
      for (std::size_t i = 0; i < width_; ++i) sums[targets_[tree * width_ + i]] += own[i];
    }
  }
}

template class Forest<double>;
template class Forest<float>;

}  // namespace headrace::forest
