// The block kernel over any vectors. Included by one file a set of instructions, inside that file's own namespace and
// with its compiler flags, so nothing here may be shared between them; standard library templates neither.
//
// `Lanes` states: Element, kRows, Set (the rows that reach a node), Index (a leaf position a row), and
//   Set all(); Set at_most(const Element* ranks, Element rank); Set both(Set, Set); Set but(Set, Set);
//   Index none(); void put(Index&, Set, Index position); Index next(Index); void store(Element*, Index).

template <typename Lanes>
inline void find_leaves(const Blocks& blocks, std::size_t position, const BlockScratch& scratch) {
  using Element = typename Lanes::Element;
  using Set = typename Lanes::Set;
  const BlockTree& tree = blocks.trees[position];
  const BlockNode* const nodes = blocks.nodes.data() + tree.first_node;
  const std::uint16_t* const slots = blocks.leaf_slots.data() + tree.first_leaf;
  const Element* const ranks = static_cast<const Element*>(scratch.ranks);
  Set* const reached = static_cast<Set*>(scratch.reached);
  Set* children = reached;
  *children++ = Lanes::all();
  for (std::uint32_t i = 0; i < tree.n_nodes; ++i) {
    const BlockNode node = nodes[i];
    const Set goes = Lanes::at_most(ranks + std::size_t{node.column} * Lanes::kRows, static_cast<Element>(node.rank));
    const Set here = reached[node.slot];
    *children++ = Lanes::both(here, goes);
    *children++ = Lanes::but(here, goes);
  }
  typename Lanes::Index found = Lanes::none();
  typename Lanes::Index leaf = Lanes::none();
  for (std::uint32_t i = 0; i < tree.n_leaves; ++i) {
    Lanes::put(found, reached[slots[i]], leaf);
    leaf = Lanes::next(leaf);
  }
  Lanes::store(static_cast<Element*>(scratch.leaves), found);
}

// Number of thresholds below a value; 0 for NaN, which is below nothing.
template <typename CountBelow>
inline std::uint32_t find_rank(const Bins& bins, float value, CountBelow count_below) {
  std::uint32_t block = 0;
  if (bins.blocks > 16) {
    const float* tops = bins.tops;
    for (std::uint32_t left = bins.blocks; left > 1;) {
      const std::uint32_t half = left / 2;
      tops += tops[half - 1] < value ? half : 0;
      left -= half;
    }
    block = static_cast<std::uint32_t>(tops - bins.tops);
  } else if (bins.blocks > 1) {
    block = count_below(bins.tops, value);
  }
  return block * 16 + count_below(bins.thresholds + std::size_t{block} * 16, value);
}

// Write one row's ranks, a column every `stride` elements.
template <typename Element, typename CountBelow>
inline void rank_row(const Bins* bins, std::size_t n_bins, const float* row, Element* ranks, std::size_t stride,
                     CountBelow count_below) {
  for (std::size_t i = 0; i < n_bins; ++i) {
    const Bins& bin = bins[i];
    const float value = row[bin.feature];
    const bool zero = bin.kind == Kind::kZeroMissing && value <= 1e-35f && value >= -1e-35f;
    const bool missing = zero || value != value;
    const std::uint32_t rank = find_rank(bin, value, count_below);
    const std::size_t low = static_cast<std::size_t>(bin.low), high = static_cast<std::size_t>(bin.high);
    if (bin.low >= 0) ranks[low * stride] = static_cast<Element>(missing ? 0 : rank);
    if (bin.high >= 0) ranks[high * stride] = static_cast<Element>(missing ? bin.n : rank);
  }
}
