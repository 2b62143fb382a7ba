// Any processor: vectors as the compiler's extension states them, 16 bytes, which every 64-bit processor has.
#include <cstring>

#include "blocks.h"

namespace headrace::forest {
namespace {

#include "block_kernel.h"

template <typename T>
struct PlainLanes {
  using Element = T;
  typedef T Set __attribute__((vector_size(16)));
  using Index = Set;
  static constexpr std::size_t kRows = 16 / sizeof(T);

  static Set all() { return ~Set{}; }
  static Set at_most(const T* ranks, T rank) {
    Set values;
    std::memcpy(&values, ranks, sizeof values);
    return (Set)(values <= (Set{} + rank));
  }
  static Set both(Set a, Set b) { return a & b; }
  static Set but(Set a, Set b) { return a & ~b; }
  static Index none() { return Index{}; }
  static void put(Index& found, Set rows, Index leaf) { found |= rows & leaf; }  // each row reaches one leaf
  static Index next(Index leaf) { return leaf + T{1}; }
  static void store(T* to, Index found) { std::memcpy(to, &found, sizeof found); }
};

std::uint32_t count_below(const float* thresholds, float value) {
  std::uint32_t count = 0;
  for (int i = 0; i < 16; ++i) count += thresholds[i] < value ? 1 : 0;
  return count;
}

template <typename T>
void rank(const Bins* bins, std::size_t n_bins, const float* row, T* ranks, std::size_t stride) {
  rank_row(bins, n_bins, row, ranks, stride, count_below);
}

template <typename T>
void leaves(const Blocks& blocks, std::size_t tree, const BlockScratch& scratch) {
  find_leaves<PlainLanes<T>>(blocks, tree, scratch);
}

template <typename T>
void add(T* sums, const T* values, const std::uint8_t* leaf) {
  for (int row = 0; row < 16; ++row) sums[row] += values[leaf[row]];
}

constexpr Instructions kInstructions = {"plain", 16, 16, 8, rank<std::uint8_t>, rank<std::uint16_t>,
                                        leaves<std::uint8_t>, leaves<std::uint16_t>, add<double>, add<float>};

}  // namespace

const Instructions* const kPlain = &kInstructions;

}  // namespace headrace::forest
