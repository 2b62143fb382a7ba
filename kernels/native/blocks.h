// Trees laid out for a block of rows at a time: every node of a tree is tested for all rows of the block, one vector
// comparison a node, and sets of rows travel down the tree as bits. There is no branch and nothing is gathered, so the
// cost of a tree depends on its nodes alone, not on its depth or on the rows.
//
// Reference: Lucchese et al., QuickScorer (SIGIR 2015) and Ye et al., RapidScorer (KDD 2018) test all nodes of a forest
// and keep a bit a leaf and row; here a bit a row and node is kept, which needs no leaf masks and has no limit of 64.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "arrays.h"
#include "columns.h"

namespace headrace::forest {

// The i-th node of a tree, breadth first, reads the rows that reach it at `slot` and writes those that go left to slot
// 2i + 1 and the others to 2i + 2. Slot 0 is the root.
struct BlockNode {
  std::uint32_t column;
  std::uint16_t rank;
  std::uint16_t slot;
};

struct BlockTree {
  std::uint32_t first_node;
  std::uint32_t n_nodes;
  std::uint32_t first_leaf;
  std::uint32_t n_leaves;
};

struct Blocks {
  std::vector<BlockTree> trees;
  std::vector<BlockNode> nodes;
  std::vector<std::uint16_t> leaf_slots;  // by position, breadth first
  std::vector<std::uint32_t> leaf_ids;    // the same leaves in the caller's numbering
  std::uint32_t most_slots = 1;
  std::uint32_t most_leaves = 1;

  // False where a tree is too large for 16-bit slots; the other members are then of no use.
  bool build(const Arrays& arrays, std::span<const RankTest> tests);
};

// Memory of one call. All of it is written before it is read.
struct BlockScratch {
  void* ranks;            // [n_columns][rows of a block] of 1 or 2 bytes
  void* reached;          // [most_slots] sets of rows
  void* leaves;           // [rows of a block] of 1 or 2 bytes
};

// What a set of instructions brings.
struct Instructions {
  const char* name;
  std::uint32_t set_bytes;       // of a set of rows, in `reached`
  std::uint32_t lanes8;          // rows of a block where ranks and leaves fit one byte
  std::uint32_t lanes16;         // rows of a block where they need two
  void (*rank8)(const Bins*, std::size_t n_bins, const float* row, std::uint8_t* ranks, std::size_t stride);
  void (*rank16)(const Bins*, std::size_t n_bins, const float* row, std::uint16_t* ranks, std::size_t stride);
  void (*leaves8)(const Blocks&, std::size_t tree, const BlockScratch&);
  void (*leaves16)(const Blocks&, std::size_t tree, const BlockScratch&);
  void (*add_f64_8)(double* sums, const double* values, const std::uint8_t* leaves);
  void (*add_f32_8)(float* sums, const float* values, const std::uint8_t* leaves);
};

// nullptr where not compiled in. Only data leaves the files that have compiler flags of their own, so that none of
// their code runs before the processor was asked.
extern const Instructions* const kPlain;
extern const Instructions* const kAvx2;
extern const Instructions* const kAvx512;

}  // namespace headrace::forest
