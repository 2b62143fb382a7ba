"""Trees as the device walks them: each breadth-first in one stretch, children side by side.

Computed on the host with one pass a level, for all trees at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.dtypes import Integers
from headrace_kernels.forests import ColumnKind, Forest

_NARROW_PLACES = 1 << 16
_NARROW_FEATURES = 1 << 13
_MOST_NODES = 1 << 31
_NAN_LEFT = np.uint64(1)


@dataclass(frozen=True)
class Layout:
    """A forest's nodes in the order of walking.

    Attributes:
        nodes: uint64[n_places], or uint64[n_places, 2] where a tree has more than 65,536 nodes and leaves or there are
            more than 8,192 features.
        starts: int32[n_trees], place of each tree's root.
        leaves: [n_places, width] of the leaves' dtype, 0 where there is no leaf.
        leaf_of: int64[n_places], which leaf is there, or -1.
    """

    nodes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int32]
    leaves: npt.NDArray[Any]
    leaf_of: Integers

    @property
    def is_narrow(self) -> bool:
        """Whether nodes have 8 bytes."""
        return self.nodes.ndim == 1


def lay_out(forest: Forest) -> Layout:
    """Lay a forest out.

    Raises:
        ValueError: the arrays contradict each other.
    """
    tree, child, below = _by_level(forest)
    order = np.argsort(tree, kind="stable")  # levels come one after the other, so this is breadth-first in each tree
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    starts = np.searchsorted(tree[order], np.arange(len(forest.tree_root)))
    inner = child >= 0
    left = place.copy()
    left[inner] = place[below[inner]]
    left -= starts[tree]
    child, left = child[order], left[order]
    _require(len(child) < _MOST_NODES, "too many nodes")
    leaf_of = np.where(child < 0, ~child, -1)
    leaves = np.zeros((len(child), forest.leaf_values.shape[1]), forest.leaf_values.dtype)
    leaves[child < 0] = forest.leaf_values[leaf_of[child < 0]]
    narrow = int(left.max(initial=0)) < _NARROW_PLACES and forest.n_features <= _NARROW_FEATURES
    return Layout(_packed(forest, child, left, narrow=narrow), starts.astype(np.int32), leaves, leaf_of)


def _by_level(forest: Forest) -> tuple[Integers, Integers, Integers]:
    """Tree, child (a node or ~leaf) and position of the left child here, of every place, level by level."""
    _check(forest)
    n_all = len(forest.node_column) + len(forest.leaf_values)
    child, tree = forest.tree_root.astype(np.int64), np.arange(len(forest.tree_root))
    children, trees, below_each = [], [], []
    done = 0
    while len(child):
        done += len(child)
        _require(done <= n_all, "a child has two parents")
        inner = child >= 0
        _require(bool((child < len(forest.node_column)).all()), "a child is not there")
        _require(bool((~child < len(forest.leaf_values)).all()), "a child is not there")
        below = np.full(len(child), -1, np.int64)
        below[inner] = done + 2 * np.arange(int(inner.sum()))
        children.append(child)
        trees.append(tree)
        below_each.append(below)
        parents = child[inner]
        child = np.stack([forest.node_left[parents], forest.node_right[parents]], axis=1).ravel().astype(np.int64)
        tree = np.repeat(tree[inner], 2)
    found = np.concatenate(children)
    _require(len(np.unique(found)) == len(found) == n_all, "a node or leaf belongs to no tree, or to two")
    return np.concatenate(trees), found, np.concatenate(below_each)


def _packed(forest: Forest, child: Integers, left: Integers, *, narrow: bool) -> npt.NDArray[np.uint64]:
    """Nodes in their order; a leaf is a plain test of feature 0 that everything passes, with itself to the left."""
    node = np.maximum(child, 0)
    is_leaf = child < 0
    if not len(forest.node_column):
        split, feature, kind, nan_left = (np.zeros(len(child), np.uint64) for _ in range(4))
    else:
        column = forest.node_column[node]
        kind = forest.column_kind[column].astype(np.uint64)
        bits = forest.node_split[node].view(np.uint32)
        split = np.where(kind == ColumnKind.TABLE, column, bits).astype(np.uint64)
        feature = forest.column_feature[column].astype(np.uint64)
        nan_left = forest.node_nan_left[node].astype(np.uint64)
    infinity = np.array(np.inf, np.float32).view(np.uint32).astype(np.uint64)
    split = np.where(is_leaf, infinity, split)
    feature, kind = np.where(is_leaf, np.uint64(0), feature), np.where(is_leaf, np.uint64(0), kind)
    nan_left = np.where(is_leaf, _NAN_LEFT, nan_left)
    place = left.astype(np.uint64)
    if narrow:
        word = place | feature << np.uint64(16) | kind << np.uint64(29) | nan_left << np.uint64(31)
        packed: npt.NDArray[np.uint64] = split | word << np.uint64(32)
        return packed
    flags = kind | nan_left << np.uint64(2)
    return np.stack([split | place << np.uint64(32), feature | flags << np.uint64(32)], axis=1)


def _check(forest: Forest) -> None:
    """What the device would read beside an array."""
    columns, nodes = len(forest.column_feature), len(forest.node_column)
    _require(forest.n_features > 0 and forest.n_targets > 0, "features and targets start at 1")
    _require(len(forest.tree_root) > 0, "no trees")
    _require(len(forest.column_kind) == columns == len(forest.table_start) - 1, "columns differ in length")
    per_node = (forest.node_split, forest.node_nan_left, forest.node_left, forest.node_right)
    _require(all(len(each) == nodes for each in per_node), "nodes differ in length")
    _require(_within(forest.column_feature, forest.n_features), "a column reads a feature that is not there")
    _require(_within(forest.column_kind, len(ColumnKind)), "a column is of no known kind")
    lengths = np.diff(forest.table_start)
    tables = forest.column_kind == ColumnKind.TABLE
    _require(bool(((lengths > 0) == tables).all() and (lengths >= 0).all()), "a table is empty, or not a table's")
    _require(forest.table_start[0] == 0 and forest.table_start[-1] == len(forest.tables), "tables do not fit")
    _require(_within(forest.node_column, columns), "a node reads no column")
    _require(not np.isnan(forest.node_split).any(), "a split is NaN")
    shape = (len(forest.tree_root), forest.leaf_values.shape[1])
    _require(forest.tree_targets.shape == shape and shape[1] > 0, "targets differ in length")
    _require(_within(forest.tree_targets, forest.n_targets), "a tree adds to no target")
    _require(len(forest.base) in (0, forest.n_targets), "bases and targets differ in length")


def _within(numbers: npt.NDArray[Any], count: int) -> bool:
    return bool(((numbers >= 0) & (numbers < count)).all())


def _require(holds: bool, what: str) -> None:  # noqa: FBT001  # a condition, as in assert
    if not holds:
        raise ValueError(f"not a forest: {what}")
