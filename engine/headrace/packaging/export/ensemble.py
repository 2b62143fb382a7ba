"""A forest as one TreeEnsemble operator (ai.onnx.ml 5): trees in LightGBM's order, so sums round as LightGBM's do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper

from headrace.packaging.export.decisions import Columns, Rules, floor_to_float32, plan_rules
from headrace.packaging.export.forest import Float64s, Forest, Int64s, Tree
from headrace.packaging.export.graph import Graph, Precision

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]
_BRANCH_LEQ, _BRANCH_MEMBER = 0, 6


class Target(Enum):
    """What the operator sums into."""

    OUTPUT = "output"  # one column a raw score
    TREE = "tree"  # one column a tree


@dataclass(frozen=True)
class Leaves:
    """What the leaves emit: weights of a tree at a position in the forest, and where they are summed."""

    weights: Callable[[int, Tree], Float64s]
    target: Target


@dataclass(frozen=True)
class _Nodes:
    """One tree's nodes with children as positions within the tree."""

    rules: Rules
    left: Int64s
    right: Int64s
    weights: Float64s


def add_ensemble(graph: Graph, matrix: str, forest: Forest, columns: Columns, leaves: Leaves) -> str:
    """Add the operator over `matrix` and return its output's name.

    Args:
        graph: the graph to add to; in float32 thresholds are rounded down and leaf weights to nearest.
        matrix: name of the planned columns' matrix.
        forest: at least one tree.
        columns: the plan behind `matrix`.
        leaves: what leaves emit.
    """
    parts = [_tree_nodes(tree, columns, leaves.weights(i, tree)) for i, tree in enumerate(forest.trees)]
    node_start = _starts([len(part.left) for part in parts])
    leaf_start = _starts([len(part.weights) for part in parts])
    left, left_is_leaf = _children([part.left for part in parts], node_start, leaf_start)
    right, right_is_leaf = _children([part.right for part in parts], node_start, leaf_start)
    members = [part.rules.members.get(node) for part in parts for node in range(len(part.left))]
    thresholds = np.concatenate([part.rules.threshold for part in parts])
    weights = np.concatenate([part.weights for part in parts])
    by_tree = leaves.target is Target.TREE
    targets = [i if by_tree else i % forest.outputs for i, part in enumerate(parts) for _ in part.weights]
    exact = graph.precision is Precision.FLOAT64
    splits: Floats = thresholds if exact else floor_to_float32(thresholds)
    modes = np.array([_BRANCH_LEQ if each is None else _BRANCH_MEMBER for each in members], dtype=np.uint8)
    optional = {"membership_values": _tensor(_delimited(members, splits.dtype))} if modes.any() else {}
    return graph.add(
        "TreeEnsemble",
        matrix,
        domain="ai.onnx.ml",
        n_targets=len(parts) if by_tree else forest.outputs,
        tree_roots=node_start.tolist(),
        nodes_featureids=np.concatenate([part.rules.column for part in parts]).tolist(),
        nodes_splits=_tensor(splits),
        nodes_modes=_tensor(modes),
        nodes_missing_value_tracks_true=np.concatenate([part.rules.nan_left for part in parts]).astype(int).tolist(),
        nodes_truenodeids=left.tolist(),
        nodes_trueleafs=left_is_leaf.astype(int).tolist(),
        nodes_falsenodeids=right.tolist(),
        nodes_falseleafs=right_is_leaf.astype(int).tolist(),
        leaf_targetids=targets,
        leaf_weights=_tensor(weights.astype(splits.dtype)),
        **optional,
    )


def _tree_nodes(tree: Tree, columns: Columns, weights: Float64s) -> _Nodes:
    if tree.n_nodes:
        return _Nodes(plan_rules(tree, columns), tree.left, tree.right, weights)
    # A tree of one leaf becomes a split whose two leaves agree. The standard allows one leaf named twice, but ONNX
    # Runtime then takes the node's position for the leaf's.
    zero = np.zeros(1, dtype=np.int64)
    rules = Rules(column=zero, threshold=np.zeros(1), nan_left=np.zeros(1, dtype=np.bool_), members={})
    return _Nodes(rules, ~zero, ~(zero + 1), np.repeat(weights, 2))


def _starts(lengths: Sequence[int]) -> Int64s:
    """Position of each part's first element in their concatenation."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)[:-1]])


def _children(parts: Sequence[Int64s], node_start: Int64s, leaf_start: Int64s) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    """Children as positions in the whole forest, and which of them are leaves."""
    placed = [
        np.where(child < 0, leaf + ~child, node + child)
        for child, node, leaf in zip(parts, node_start, leaf_start, strict=True)
    ]
    return np.concatenate(placed), np.concatenate([child < 0 for child in parts])


def _delimited(members: Sequence[Int64s | None], element: np.dtype[Any]) -> Floats:
    """Members of every membership node in node order, each set closed by a NaN."""
    sets = [np.append(each, np.nan).astype(element) for each in members if each is not None]
    return np.concatenate(sets)


def _tensor(values: npt.NDArray[Any]) -> object:
    return numpy_helper.from_array(np.asarray(values, order="C"))
