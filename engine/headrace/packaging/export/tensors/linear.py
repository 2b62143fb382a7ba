"""Linear leaves over slots: constant + c1 * x1 + c2 * x2 + ..., one term at a time, in the order of the CPU graph.

The rules are those of `export.linear`: NaN in any of a leaf's features gives its plain value, |x| <= 1e-35 counts as 0.
Moves, a tree and row, 24 bytes for constant and plain value, 25 to choose, and 63 a term of the longest leaf.
"""

from __future__ import annotations

import numpy as np

from headrace.packaging.export.decisions import ZERO_THRESHOLD
from headrace.packaging.export.forest import Forest, Tree
from headrace.packaging.export.graph import FLOAT64, Graph
from headrace.packaging.export.tensors.columns import add_zeros
from headrace.packaging.export.tensors.slots import Slots
from headrace.packaging.export.tensors.traversal import Arrived


class LinearLeaves:
    """Values of leaves, some of them linear; the features are prepared once.

    Args:
        graph: the graph to add to.
        features: name of float32[n_features, n_rows].
        slots: the forest's numbering.
        forest: trees with and without linear leaves may mix.
    """

    def __init__(self, graph: Graph, features: str, slots: Slots, forest: Forest) -> None:
        self._graph = graph
        small = graph.add("LessOrEqual", graph.add("Abs", features), graph.scalar(ZERO_THRESHOLD))
        flushed = graph.cast(graph.add("Where", small, graph.scalar(0.0), features), FLOAT64)
        self._features = graph.add("Concat", flushed, add_zeros(graph, features), axis=0)
        self._plain = graph.constant(slots.at_leaves([tree.leaf_value for tree in forest.trees]))
        constants = [tree.linear.constant if tree.linear else tree.leaf_value for tree in forest.trees]
        self._constant = graph.constant(slots.at_leaves(constants))
        width = max(_terms(tree) for tree in forest.trees)
        pairs = [_term_tables(slots, forest, term) for term in range(width)]
        self._terms = [(graph.constant(feature), graph.constant(coefficient)) for feature, coefficient in pairs]

    def add(self, arrived: Arrived) -> str:
        """Add the values of the slots that rows reached: float64[k, n_rows]."""
        graph = self._graph
        total = graph.add("Gather", self._constant, arrived.slots, axis=0)
        missing = ""
        for feature, coefficient in self._terms:
            read = graph.add("Gather", feature, arrived.slots, axis=0)
            values = graph.add("GatherElements", self._features, read, axis=0)
            term = graph.add("Mul", values, graph.add("Gather", coefficient, arrived.slots, axis=0))
            total = graph.add("Add", total, term)
            is_nan = graph.add("IsNaN", values)
            missing = graph.add("Or", missing, is_nan) if missing else is_nan
        if not missing:
            return total
        return graph.add("Where", missing, graph.add("Gather", self._plain, arrived.slots, axis=0), total)


def _terms(tree: Tree) -> int:
    return max((len(each) for each in tree.linear.features), default=0) if tree.linear else 0


def _term_tables(slots: Slots, forest: Forest, term: int) -> tuple[np.ndarray, np.ndarray]:
    """Feature and coefficient of one term by slot: the row of zeros and 0 where a leaf has fewer terms."""
    features, coefficients = [], []
    for tree in forest.trees:
        feature, coefficient = np.full(tree.n_leaves, float(forest.n_features)), np.zeros(tree.n_leaves)
        for leaf, own in enumerate(tree.linear.features if tree.linear else ()):
            if tree.linear and len(own) > term:
                feature[leaf], coefficient[leaf] = own[term], tree.linear.coefficients[leaf][term]
        features.append(feature)
        coefficients.append(coefficient)
    return slots.at_leaves(features).astype(np.int32), slots.at_leaves(coefficients)
