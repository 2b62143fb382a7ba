"""Matrix form: all splits of a tree at once, then one product tells how far each leaf's path was followed.

A leaf's row of the path matrix has 1 where the path goes left at a node, -1 where it goes right, else 0. Times the
answers (1 left, 0 right) it gives the number of left turns on the path if and only if every turn is the path's. Those
are whole numbers below 2,048, exact in float32 and in the TF32 that a GPU may use for products; so is the second
product, which turns the only hit into the leaf's slot in its tree.

Nine operators whatever the depth. With n splits and m leaves a tree, padded to the largest, it moves 22 n + 18 m + 32
bytes a tree and row: fetch (8 n), compare (5 n), make numbers (5 n), product (4 n + 4 m), equal (5 m), make numbers
(5 m), product (4 m + 4), to whole numbers (8), add the root (8), and drop the unit axis. Categories add 28 n.
Reference: Nakandala et al., A Tensor Compiler for Unified Machine Learning Prediction Serving, OSDI 2020, section 4.
"""

from __future__ import annotations

import numpy as np

from headrace.packaging.export.forest import Forest, Int64s, Tree
from headrace.packaging.export.graph import FLOAT32, INT32, Graph
from headrace.packaging.export.tensors.columns import Tested
from headrace.packaging.export.tensors.slots import Slots
from headrace.packaging.export.tensors.splits import Float32s
from headrace.packaging.export.tensors.thresholds import Thresholds
from headrace.packaging.export.tensors.traversal import Arrived

MOST_SLOTS = 2048  # whole numbers below it are exact in TF32


def add_paths(
    graph: Graph, tested: Tested, slots: Slots, thresholds: Thresholds, forest: Forest, trees: Int64s
) -> Arrived:
    """Add the matrix form of the given trees (at least one, none of a single leaf or of `MOST_SLOTS` slots)."""
    chosen = [forest.trees[tree] for tree in trees]
    nodes = _padded_nodes(chosen, slots, trees)
    compared = graph.constant(slots.column[nodes])
    values = graph.add("Gather", tested.values, compared, axis=0)
    codes = graph.add("Gather", tested.codes, compared, axis=0) if tested.codes else None
    is_left = graph.cast(graph.add("LessOrEqual", values, thresholds.of(nodes[:, :, None], codes)), FLOAT32)
    paths, turns, numbers = _matrices(chosen, slots, trees)
    followed = graph.add("MatMul", graph.constant(paths), is_left)
    hit = graph.cast(graph.add("Equal", followed, graph.constant(turns)), FLOAT32)
    leaf = graph.add("Squeeze", graph.add("MatMul", graph.constant(numbers), hit), graph.axes(1))
    root = graph.constant(slots.root[trees][:, None].astype(np.int32))
    return Arrived(trees, graph.add("Add", graph.cast(leaf, INT32), root))


def _padded_nodes(chosen: list[Tree], slots: Slots, trees: Int64s) -> Int64s:
    """int64[n_trees, n]: slots of all splits, trees of fewer filled up with their first leaf, which compares false."""
    width = max(tree.n_nodes for tree in chosen)
    rows = []
    for tree, position in zip(chosen, trees, strict=True):
        layout, root = slots.layouts[position], slots.root[position]
        rows.append(root + np.append(layout.node, np.repeat(layout.leaf[:1], width - tree.n_nodes)))
    return np.stack(rows)


def _matrices(chosen: list[Tree], slots: Slots, trees: Int64s) -> tuple[Float32s, Float32s, Float32s]:
    """Path matrices [k, m, n], left turns of each leaf [k, m, 1] and slots in the tree [k, 1, m], padded."""
    n, m = max(tree.n_nodes for tree in chosen), max(tree.n_leaves for tree in chosen)
    paths = np.zeros((len(chosen), m, n), np.float32)
    turns = np.full((len(chosen), m, 1), n + 1, np.float32)  # out of reach where there is no leaf
    numbers = np.zeros((len(chosen), 1, m), np.float32)
    for row, (tree, position) in enumerate(zip(chosen, trees, strict=True)):
        own = _paths(tree)
        paths[row, : tree.n_leaves, : tree.n_nodes] = own
        turns[row, : tree.n_leaves, 0] = (own > 0).sum(axis=1)
        numbers[row, 0, : tree.n_leaves] = slots.layouts[position].leaf
    return paths, turns, numbers


def _paths(tree: Tree) -> Float32s:
    """float32[n_leaves, n_nodes]; a node is numbered after its parent, so one pass hands paths down."""
    to_node = np.zeros((tree.n_nodes, tree.n_nodes), np.float32)
    to_leaf = np.zeros((tree.n_leaves, tree.n_nodes), np.float32)
    for node in range(tree.n_nodes):
        for child, turn in ((int(tree.left[node]), 1.0), (int(tree.right[node]), -1.0)):
            path = to_leaf[~child] if child < 0 else to_node[child]
            path[:] = to_node[node]
            path[node] = turn
    return to_leaf
