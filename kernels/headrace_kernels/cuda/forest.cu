// Forests: a thread walks one row down several trees at once, and leaves are added in the order of the trees, so that
// sums have the bits of the CPU whatever the order of threads.
//
// Nodes are laid out by forest_layout.py: each tree breadth-first in one stretch, the two children of a node side by
// side, so that one load gives the test and both children. A leaf is a node whose left child is itself and whose test
// always holds: a walk may step on while others of its group have further to go.
#include "common.cuh"

constexpr u32 ROWS = 128;     // rows, and threads, of a block
constexpr u32 STAGED = 64;    // features of rows that are kept in shared memory: 32 KiB a block, seven blocks a SM
constexpr u32 TOGETHER = 4;   // trees walked at once: their loads wait together
constexpr u32 ZERO_MISSING = 1, TABLE = 2;  // kinds of columns, 0 being a plain one

struct Test {
  u32 split;  // bits of a float32; of a table's column
  u32 left;   // place in the tree
  u32 feature;
  u32 kind;
  bool nan_left;
};

// 8 bytes: split; 16 bits of left, 13 of feature, 2 of kind, 1 of nan_left.
struct Narrow {
  u64 bits;
};
// 16 bytes: split, left; feature, kind and nan_left in two words.
struct alignas(16) Wide {
  u64 low;
  u64 high;
};

__device__ inline Test test_of(Narrow node) {
  const u32 word = static_cast<u32>(node.bits >> 32);
  return {static_cast<u32>(node.bits), word & 0xffffu, word >> 16 & 0x1fffu, word >> 29 & 3u, (word >> 31) != 0};
}
__device__ inline Test test_of(Wide node) {
  const u32 flags = static_cast<u32>(node.high >> 32);
  return {static_cast<u32>(node.low), static_cast<u32>(node.low >> 32), static_cast<u32>(node.high), flags & 3u,
          (flags & 4u) != 0};
}

// A row's values, `stride` apart: in shared memory, or in a matrix of columns.
struct Row {
  const f32* values;
  i64 stride;
  const i64* table_start;
  const u8* tables;
};

__device__ inline bool goes_left(const Test& test, const Row& row) {
  const f32 x = row.values[test.feature * row.stride];
  if (test.kind == TABLE) {
    const i64 start = row.table_start[test.split];
    const i64 length = row.table_start[test.split + 1] - start;
    const bool known = x > -1.0f && x < static_cast<f32>(length - 1);
    return row.tables[start + (known ? static_cast<i64>(x < 0.0f ? -x : x) + 1 : 0)] == 0;
  }
  const bool missing = x != x || (test.kind == ZERO_MISSING && x <= 1e-35f && x >= -1e-35f);
  return missing ? test.nan_left : x <= __uint_as_float(test.split);
}

// Walks the trees [first, last), TOGETHER at a time: `found(tree, place)` of each leaf, in the trees' order.
template <class Node, class Found>
__device__ inline void walk_trees(
    const Node* nodes, const i32* starts, i32 first, i32 last, const Row& row, Found found) {
  for (i32 group = first; group < last; group += TOGETHER) {
    u32 at[TOGETHER];
    i32 start[TOGETHER];
    for (u32 i = 0; i < TOGETHER; ++i) {
      at[i] = 0;
      start[i] = starts[group + static_cast<i32>(i) < last ? group + static_cast<i32>(i) : group];
    }
    bool moved = true;
    while (moved) {
      moved = false;
      for (u32 i = 0; i < TOGETHER; ++i) {
        const Test test = test_of(nodes[start[i] + at[i]]);
        const u32 next = test.left + (goes_left(test, row) ? 0u : 1u);
        moved = moved || next != at[i];
        at[i] = next;
      }
    }
    for (u32 i = 0; i < TOGETHER; ++i) {
      if (group + static_cast<i32>(i) < last) found(group + static_cast<i32>(i), start[i] + static_cast<i32>(at[i]));
    }
  }
}

// Copies a block's rows to shared memory, feature by feature, so that a thread's reads never meet another's bank. Eight
// rows by four features at a time: between coalesced loads and stores without conflicts.
__device__ inline void stage_rows(const f32* rows, i64 first, i64 n, i32 n_features, f32* staged) {
  const u32 lane = lane_of(), own = warp_of() * 32;
  for (i32 feature = static_cast<i32>(lane >> 3); feature < n_features; feature += 4) {
    for (u32 step = 0; step < 32; step += 8) {
      const u32 row = own + step + (lane & 7u);
      if (first + row < n) staged[feature * ROWS + row] = rows[(first + row) * n_features + feature];
    }
  }
  __syncthreads();
}

// Adds what a tree's leaf says to a row's sums; the same for one sum, which is kept in a register.
template <class Sum>
struct Sums {
  const Sum* leaves;
  const i32* targets;
  i32 width;
  i32 n_targets;
  Sum* scores;  // of the row
  Sum only;

  __device__ Sums(const Sum* leaves, const i32* targets, i32 width, i32 n_targets, Sum* scores)
      : leaves(leaves), targets(targets), width(width), n_targets(n_targets), scores(scores), only(0) {
    for (i32 target = 0; !is_one() && target < n_targets; ++target) scores[target] = 0;
  }
  __device__ bool is_one() const { return n_targets == 1 && width == 1; }
  __device__ void add(i32 tree, i32 place) {
    if (is_one()) {
      only += leaves[place];
      return;
    }
    for (i32 i = 0; i < width; ++i) {
      scores[targets[static_cast<i64>(tree) * width + i]] += leaves[static_cast<i64>(place) * width + i];
    }
  }
  __device__ void finish(const Sum* base) {
    if (is_one()) scores[0] = only;
    for (i32 target = 0; base != nullptr && target < n_targets; ++target) scores[target] += base[target];
  }
};

// Everything in one launch, where there are rows enough to fill the device.
template <class Sum>
__device__ inline void score_rows(
    const f32* rows, i64 n, i32 n_features, const u64* nodes, const i32* starts, i32 n_trees, const i64* table_start,
    const u8* tables, const Sum* leaves, const i32* targets, i32 width, i32 n_targets, const Sum* base, Sum* scores) {
  __shared__ f32 staged[STAGED * ROWS];
  const i64 first = static_cast<i64>(blockIdx.x) * ROWS;
  stage_rows(rows, first, n, n_features, staged);
  const i64 row = first + threadIdx.x;
  if (row >= n) return;
  Sums<Sum> sums(leaves, targets, width, n_targets, scores + row * n_targets);
  walk_trees(reinterpret_cast<const Narrow*>(nodes), starts, 0, n_trees, Row{staged + threadIdx.x, ROWS, table_start, tables},
             [&](i32 tree, i32 place) { sums.add(tree, place); });
  sums.finish(base);
}

extern "C" __global__ void __launch_bounds__(128) score_f64(
    const f32* rows, i64 n, i32 n_features, const u64* nodes, const i32* starts, i32 n_trees, const i64* table_start,
    const u8* tables, const f64* leaves, const i32* targets, i32 width, i32 n_targets, const f64* base, f64* scores) {
  score_rows(rows, n, n_features, nodes, starts, n_trees, table_start, tables, leaves, targets, width, n_targets, base,
             scores);
}

extern "C" __global__ void __launch_bounds__(128) score_f32(
    const f32* rows, i64 n, i32 n_features, const u64* nodes, const i32* starts, i32 n_trees, const i64* table_start,
    const u8* tables, const f32* leaves, const i32* targets, i32 width, i32 n_targets, const f32* base, f32* scores) {
  score_rows(rows, n, n_features, nodes, starts, n_trees, table_start, tables, leaves, targets, width, n_targets, base,
             scores);
}

// Leaves first, for few rows or wide ones: the trees are parted among blocks, places[tree * n + row] is what they find.
template <class Node>
__device__ inline void find_staged(
    const f32* rows, i64 n, i32 n_features, const u64* nodes, const i32* starts, i32 n_trees, i32 trees_a_part,
    const i64* table_start, const u8* tables, i32* places) {
  __shared__ f32 staged[STAGED * ROWS];
  const i64 tiles = (n + ROWS - 1) / ROWS;
  const i64 first = (blockIdx.x % tiles) * ROWS;
  const i32 tree = static_cast<i32>(blockIdx.x / tiles) * trees_a_part;
  const i32 end = tree + trees_a_part < n_trees ? tree + trees_a_part : n_trees;
  const bool columns = n_features == 0;  // `rows` is a matrix of columns
  if (!columns) stage_rows(rows, first, n, n_features, staged);
  const i64 row = first + threadIdx.x;
  if (row >= n) return;
  const Row own = columns ? Row{rows + row, n, table_start, tables} : Row{staged + threadIdx.x, ROWS, table_start, tables};
  walk_trees(reinterpret_cast<const Node*>(nodes), starts, tree, end, own,
             [&](i32 each, i32 place) { places[each * n + row] = place; });
}

extern "C" __global__ void __launch_bounds__(128) find_narrow(
    const f32* rows, i64 n, i32 n_features, const u64* nodes, const i32* starts, i32 n_trees, i32 trees_a_part,
    const i64* table_start, const u8* tables, i32* places) {
  find_staged<Narrow>(rows, n, n_features, nodes, starts, n_trees, trees_a_part, table_start, tables, places);
}

extern "C" __global__ void __launch_bounds__(128) find_wide(
    const f32* rows, i64 n, i32 n_features, const u64* nodes, const i32* starts, i32 n_trees, i32 trees_a_part,
    const i64* table_start, const u8* tables, i32* places) {
  find_staged<Wide>(rows, n, n_features, nodes, starts, n_trees, trees_a_part, table_start, tables, places);
}

template <class Sum>
__device__ inline void add_rows(
    const i32* places, i64 n, i32 n_trees, const Sum* leaves, const i32* targets, i32 width, i32 n_targets,
    const Sum* base, Sum* scores) {
  const i64 row = thread_index();
  if (row >= n) return;
  Sums<Sum> sums(leaves, targets, width, n_targets, scores + row * n_targets);
  for (i32 tree = 0; tree < n_trees; ++tree) sums.add(tree, places[tree * n + row]);
  sums.finish(base);
}

extern "C" __global__ void __launch_bounds__(256) add_f64(
    const i32* places, i64 n, i32 n_trees, const f64* leaves, const i32* targets, i32 width, i32 n_targets,
    const f64* base, f64* scores) {
  add_rows(places, n, n_trees, leaves, targets, width, n_targets, base, scores);
}

extern "C" __global__ void __launch_bounds__(256) add_f32(
    const i32* places, i64 n, i32 n_trees, const f32* leaves, const i32* targets, i32 width, i32 n_targets,
    const f32* base, f32* scores) {
  add_rows(places, n, n_trees, leaves, targets, width, n_targets, base, scores);
}

// columns[f * n + row] = rows[row * n_features + f], a warp's 32 rows by 32 features at a time through shared memory.
extern "C" __global__ void __launch_bounds__(256) turn_rows(const f32* rows, i64 n, i32 n_features, f32* columns) {
  __shared__ f32 tile[32 * 33];
  const i64 row_tiles = (n + 31) / 32;
  const i64 row = (blockIdx.x % row_tiles) * 32;
  const i64 feature = (blockIdx.x / row_tiles) * 32;
  for (u32 step = warp_of(); step < 32; step += 8) {
    if (row + step < n && feature + lane_of() < n_features) {
      tile[step * 33 + lane_of()] = rows[(row + step) * n_features + feature + lane_of()];
    }
  }
  __syncthreads();
  for (u32 step = warp_of(); step < 32; step += 8) {
    if (feature + step < n_features && row + lane_of() < n) {
      columns[(feature + step) * n + row + lane_of()] = tile[lane_of() * 33 + step];
    }
  }
}
