"""Nodes and leaves of a forest in one numbering, in which a node's children are neighbours and a leaf leads to itself.

So one step down all trees is one look-up and one addition, and a row that has arrived stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.packaging.export.forest import Forest, Int64s, Tree
from headrace.packaging.export.tensors.splits import Float32s, SplitPlan


@dataclass(frozen=True)
class Layout:
    """Places of one tree's parts, from 0 at its root.

    Attributes:
        node: int64[n_nodes].
        leaf: int64[n_leaves].
        depth: splits on the longest way down.
    """

    node: Int64s
    leaf: Int64s
    depth: int


@dataclass(frozen=True)
class Slots:
    """Trees as flat arrays; a row at slot s goes to `child[s] + (value <= threshold)`.

    Attributes:
        layouts: places within each tree.
        root: int64[n_trees], slot of each tree's root; its other slots follow.
        column: int64[n_slots], what is compared; 0 at leaves.
        threshold: float32[n_slots]; NaN at leaves, which nothing is at most.
        flags: int64[n_slots], where a category node's flags begin, -1 elsewhere.
        child: int64[n_slots], slot of the right child, the left one follows; at leaves the slot itself.
        leaf: int64[n_slots], number of the leaf in its tree; 0 at nodes.
    """

    layouts: tuple[Layout, ...]
    root: Int64s
    column: Int64s
    threshold: Float32s
    flags: Int64s
    child: Int64s
    leaf: Int64s

    @property
    def depth(self) -> Int64s:
        """int64[n_trees]."""
        return np.array([layout.depth for layout in self.layouts], dtype=np.int64)

    def at_leaves(self, values: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """float64[n_slots]: values of each tree's leaves at their slots, 0 at nodes."""
        spread = np.zeros(len(self.leaf))
        for root, layout, own in zip(self.root, self.layouts, values, strict=True):
            spread[root + layout.leaf] = own
        return spread


def plan_slots(forest: Forest, plan: SplitPlan) -> Slots:
    """Number a forest's nodes and leaves, level by level within each tree."""
    layouts = tuple(_lay_out(tree) for tree in forest.trees)
    sizes = [tree.n_nodes + tree.n_leaves for tree in forest.trees]
    root = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if sizes else np.zeros(0, np.int64)
    total = sum(sizes)
    column, leaf = np.zeros(total, np.int64), np.zeros(total, np.int64)
    threshold, flags = np.full(total, np.nan, np.float32), np.full(total, -1, np.int64)
    child = np.arange(total)
    for start, layout, tree, splits in zip(root, layouts, forest.trees, plan.trees, strict=True):
        nodes = start + layout.node
        column[nodes], threshold[nodes], flags[nodes] = splits.column, splits.threshold, splits.flags
        child[nodes] = start + np.concatenate([layout.node, layout.leaf[::-1]])[tree.right]  # ~leaf counts from the end
        leaf[start + layout.leaf] = np.arange(tree.n_leaves)
    return Slots(layouts, root, column, threshold, flags, child, leaf)


def _lay_out(tree: Tree) -> Layout:
    node, leaf = np.zeros(tree.n_nodes, np.int64), np.zeros(tree.n_leaves, np.int64)
    level, used, depth = np.arange(min(1, tree.n_nodes)), 1, 0
    while len(level):
        children = np.stack([tree.right[level], tree.left[level]], axis=1).ravel()
        places = used + np.arange(len(children))
        inner = children >= 0
        node[children[inner]], leaf[~children[~inner]] = places[inner], places[~inner]
        level, used, depth = children[inner], used + len(children), depth + 1
    return Layout(node, leaf, depth)
