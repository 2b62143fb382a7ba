"""The attributes of TreeEnsemble operators, of both generations, in one form.

Sums are exact copies of ONNX Runtime's only on one thread and for the aggregation `SUM`; anything else is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.core.errors import UnimplementedError
from headrace.serving.runtime.forest.graph import Array, Node

LEQ, LT, GTE, GT, MEMBER = 0, 1, 2, 3, 6
_MODES = {b"BRANCH_LEQ": LEQ, b"BRANCH_LT": LT, b"BRANCH_GTE": GTE, b"BRANCH_GT": GT, b"LEAF": -1}
_SUM = 1
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ensemble:
    """Trees whose children are nodes from 0 on, or ~leaf.

    Attributes:
        n_targets: sums a row.
        column: int64[n_nodes], what each node tests.
        mode: int64[n_nodes], the comparison: LEQ, LT, GTE, GT or MEMBER.
        split: float[n_nodes], compared with.
        nan_true: bool[n_nodes], whether NaN counts as true.
        true: int64[n_nodes], child where the comparison holds.
        false: int64[n_nodes], the other.
        members: values of each MEMBER node.
        roots: int64[n_trees], in the order of summation.
        targets: int64[n_trees, width].
        weights: [n_leaves, width], float32 or float64; sums are of the same type.
        base: [n_targets] of that type, added last; empty for nothing.
    """

    n_targets: int
    column: Int64s
    mode: Int64s
    split: Array
    nan_true: npt.NDArray[np.bool_]
    true: Int64s
    false: Int64s
    members: dict[int, Array]
    roots: Int64s
    targets: Int64s
    weights: Array
    base: Array


def read_ensemble(node: Node) -> Ensemble:
    """Read TreeEnsemble of ai.onnx.ml 5.

    Raises:
        UnimplementedError: it does something that is not done here.
    """
    if node.integer("aggregate_function", _SUM) != _SUM or node.integer("post_transform", 0) != 0:
        raise UnimplementedError("an ensemble that does more than to sum")
    true_leaf, false_leaf = node.array("nodes_trueleafs") != 0, node.array("nodes_falseleafs") != 0
    true, false, roots = node.array("nodes_truenodeids"), node.array("nodes_falsenodeids"), node.array("tree_roots")
    # ONNX Runtime takes such a root for a leaf
    equal = (true == false)[roots]
    if (equal & (true_leaf == false_leaf)[roots]).any():
        raise UnimplementedError("a tree whose root has one child")
    true, false = np.where(true_leaf, ~true, true), np.where(false_leaf, ~false, false)
    mode = node.array("nodes_modes").astype(np.int64)
    return Ensemble(
        n_targets=node.integer("n_targets", 0),
        column=node.array("nodes_featureids"),
        mode=mode,
        split=node.array("nodes_splits"),
        nan_true=_nan_true(node, len(mode)),
        true=true,
        false=false,
        members=_members(mode, node.array("membership_values") if (mode == MEMBER).any() else np.empty(0)),
        roots=roots,
        targets=_targets_by_tree(node.array("leaf_targetids"), _tree_of_leaves(roots, true, false)),
        weights=node.array("leaf_weights").reshape(-1, 1),
        base=np.empty(0, node.array("leaf_weights").dtype),
    )


def read_old_ensemble(node: Node, *, what: str, n_targets: int) -> Ensemble:
    """Read TreeEnsembleRegressor (`what` is "target") or TreeEnsembleClassifier ("class").

    Raises:
        UnimplementedError: it does something that is not done here.
    """
    given = node.attributes
    if given.get("aggregate_function", b"SUM") != b"SUM" or f"{what}_weights" not in given:
        raise UnimplementedError("an ensemble that does more than to sum float32 weights")
    if any(name.endswith("_as_tensor") for name in given):
        raise UnimplementedError("an ensemble of float64")
    base = node.array("base_values") if "base_values" in given else np.empty(0, np.float32)
    if len(base) not in (0, n_targets):
        raise UnimplementedError(f"{len(base)} base values for {n_targets} sums")
    tree, mode = node.array("nodes_treeids"), _modes(given.get("nodes_modes"))
    inner = np.flatnonzero(mode >= 0)
    number = np.where(mode >= 0, np.cumsum(mode >= 0) - 1, ~(np.cumsum(mode < 0) - 1))  # as a child
    place = _Places(tree, node.array("nodes_nodeids"))
    first = np.flatnonzero(np.concatenate([[True], tree[1:] != tree[:-1]]))
    weights, targets = _leaf_weights(node, what, place, number)
    leaves = np.flatnonzero(mode < 0)
    tree_number = np.cumsum(np.concatenate([[True], tree[1:] != tree[:-1]])) - 1
    return Ensemble(
        n_targets=n_targets,
        column=node.array("nodes_featureids")[inner],
        mode=mode[inner],
        split=node.array("nodes_values")[inner],
        nan_true=_nan_true(node, len(mode))[inner],
        true=number[place.find(tree[inner], node.array("nodes_truenodeids")[inner])],
        false=number[place.find(tree[inner], node.array("nodes_falsenodeids")[inner])],
        members={},
        roots=number[first],
        targets=_targets_by_tree(targets, tree_number[leaves]),
        weights=weights,
        base=base,
    )


class _Places:
    """Positions of nodes by the number of their tree and their own."""

    def __init__(self, tree: Int64s, node: Int64s) -> None:
        self._base = int(max(node.max(initial=0), 0)) + 1
        keys = tree * self._base + node
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        if (self._keys[1:] == self._keys[:-1]).any() or min(tree.min(), node.min()) < 0:
            raise UnimplementedError("two nodes of one number")

    def find(self, tree: Int64s, node: Int64s) -> Int64s:
        """Positions of nodes that must be there."""
        keys = tree * self._base + node
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        if (self._keys[at] != keys).any() or (node < 0).any() or (node >= self._base).any():
            raise UnimplementedError("a node that is not there")
        return self._order[at]


def _leaf_weights(node: Node, what: str, place: _Places, number: Int64s) -> tuple[Array, Int64s]:
    """Weights and targets of each leaf, [n_leaves, width]; every leaf must have as many."""
    leaf = ~number[place.find(node.array(f"{what}_treeids"), node.array(f"{what}_nodeids"))]
    order = np.argsort(leaf, kind="stable")
    n_leaves = int((number < 0).sum())
    width = len(leaf) // max(n_leaves, 1)
    if width < 1 or not np.array_equal(leaf[order], np.repeat(np.arange(n_leaves), width)):
        raise UnimplementedError("leaves with different numbers of weights")
    weights, targets = node.array(f"{what}_weights"), node.array(f"{what}_ids")
    return weights[order].reshape(-1, width), targets[order].reshape(-1, width)


def _targets_by_tree(targets: Int64s, tree: Int64s) -> Int64s:
    """Targets of each tree, [n_trees, width], given those of each leaf; within a tree they must agree."""
    targets = targets.reshape(len(tree), -1)
    _, first, of_leaf = np.unique(tree, return_index=True, return_inverse=True)
    by_tree = targets[first]
    if not np.array_equal(by_tree[of_leaf], targets):
        raise UnimplementedError("a tree whose leaves add to different targets")
    return by_tree


def _tree_of_leaves(roots: Int64s, true: Int64s, false: Int64s) -> Int64s:
    """The tree of each leaf, by going down level after level."""
    n_leaves = int(max(np.max(~true, initial=-1), np.max(~false, initial=-1))) + 1
    result = np.full(n_leaves, -1)
    nodes, tree = roots, np.arange(len(roots))
    for _ in range(len(true) + 1):
        children, trees = np.concatenate([true[nodes], false[nodes]]), np.concatenate([tree, tree])
        result[~children[children < 0]] = trees[children < 0]
        nodes, tree = children[children >= 0], trees[children >= 0]
        if not len(nodes):
            return result
        if len(nodes) > len(true):
            break
    raise UnimplementedError("trees that share nodes")


def _nan_true(node: Node, length: int) -> npt.NDArray[np.bool_]:
    name = "nodes_missing_value_tracks_true"
    flags = node.array(name) == 1 if name in node.attributes else np.zeros(length, np.bool_)
    if len(flags) != length:
        raise UnimplementedError("directions of missing values for some nodes")
    return flags


def _modes(names: object) -> Int64s:
    """Comparisons by name, -1 for leaves."""
    if not isinstance(names, tuple) or not set(names) <= _MODES.keys():
        raise UnimplementedError(f"tests other than {b', '.join(_MODES).decode()}")
    return np.array([_MODES[name] for name in names], np.int64)


def _members(mode: Int64s, values: Array) -> dict[int, Array]:
    """Sets of values, each closed by a NaN, by node."""
    ends = np.flatnonzero(np.isnan(values))
    sets = np.split(values, ends + 1)[: len(ends)]
    nodes = np.flatnonzero(mode == MEMBER)
    if len(nodes) != len(sets):
        raise UnimplementedError(f"{len(sets)} sets for {len(nodes)} nodes that ask for membership")
    return {int(node): each[:-1] for node, each in zip(nodes, sets, strict=True)}
