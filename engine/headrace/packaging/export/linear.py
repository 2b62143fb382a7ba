"""Forests with linear leaves: leaf numbers from the trees, then gathered coefficients, summed in LightGBM's order.

A leaf's output is constant + c1 * x1 + c2 * x2 + ..., added from the left; if any of its features is NaN, it is the
leaf's plain value instead. Values with |x| <= 1e-35 count as 0, as everywhere in LightGBM's predictor. All float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.packaging.export.decisions import ZERO_THRESHOLD, Columns
from headrace.packaging.export.ensemble import Leaves, Target, add_ensemble
from headrace.packaging.export.forest import Float64s, Forest, Int64s, Tree
from headrace.packaging.export.graph import FLOAT32, INT64, Graph


@dataclass(frozen=True)
class _Tables:
    """Leaves of the whole forest, numbered through.

    Attributes:
        first_leaf: int64[n_trees], number of each tree's first leaf.
        value: float64[n_leaves, 1], plain values.
        constant: float64[n_leaves, 1].
        features: int64[n_leaves, k], padded with `n_features`, the position of a column of zeros.
        coefficients: float64[n_leaves, k], padded with 0.
    """

    first_leaf: Int64s
    value: Float64s
    constant: Float64s
    features: Int64s
    coefficients: Float64s


def add_linear_scores(graph: Graph, matrix: str, forest: Forest, columns: Columns) -> str:
    """Add the raw scores of a forest with linear leaves (at least one tree); return float64[n_rows, outputs].

    Args:
        graph: the graph to add to, of precision float64.
        matrix: name of the planned columns' matrix.
        forest: trees with and without linear leaves may mix.
        columns: the plan behind `matrix`.
    """
    tables = _tables(forest)

    def numbers(position: int, tree: Tree) -> Float64s:
        first = int(tables.first_leaf[position])
        return np.arange(first, first + tree.n_leaves, dtype=np.float64)

    leaf = graph.cast(add_ensemble(graph, matrix, forest, columns, Leaves(numbers, Target.TREE)), INT64)
    values = _leaf_inputs(graph, leaf, tables, n_trees=len(forest.trees))
    terms = graph.add("Mul", values, _lookup(graph, tables.coefficients, leaf))
    parts = graph.add("Concat", _lookup(graph, tables.constant, leaf), terms, axis=2)
    linear = _last(graph, graph.running_sum(parts, axis=2), axis=2)
    missing = graph.add("ReduceMax", graph.cast(graph.add("IsNaN", values), FLOAT32), graph.axes(2), keepdims=0)
    plain = graph.add("Squeeze", _lookup(graph, tables.value, leaf), graph.axes(2))
    has_missing = graph.add("Greater", missing, graph.constant(np.array(0.0, dtype=np.float32)))
    outputs = graph.add("Where", has_missing, plain, linear)
    by_iteration = graph.add("Reshape", outputs, graph.axes(-1, forest.iterations, forest.outputs))
    return _last(graph, graph.running_sum(by_iteration, axis=1), axis=1)


def _tables(forest: Forest) -> _Tables:
    counts = [tree.n_leaves for tree in forest.trees]
    models = [tree.linear for tree in forest.trees]
    width = max(1, *(len(each) for model in models if model for each in model.features))
    features = np.full((sum(counts), width), forest.n_features, dtype=np.int64)
    coefficients = np.zeros((sum(counts), width))
    first_leaf = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    for start, model in zip(first_leaf, models, strict=True):
        for leaf in range(len(model.constant) if model else 0):
            own = model.features[leaf] if model else features[0]
            features[start + leaf, : len(own)] = own
            coefficients[start + leaf, : len(own)] = model.coefficients[leaf] if model else 0.0
    constants = [tree.linear.constant if tree.linear else tree.leaf_value for tree in forest.trees]
    value = np.concatenate([tree.leaf_value for tree in forest.trees])
    return _Tables(first_leaf, value[:, None], np.concatenate(constants)[:, None], features, coefficients)


def _leaf_inputs(graph: Graph, leaf: str, tables: _Tables, *, n_trees: int) -> str:
    """The values each reached leaf multiplies: float64[n_rows, n_trees, k], 0 where it has fewer than k."""
    values = graph.inputs()
    small = graph.add("LessOrEqual", graph.add("Abs", values), graph.scalar(ZERO_THRESHOLD))
    flushed = graph.add("Where", small, graph.scalar(0.0), values)
    padded = graph.add("Concat", flushed, graph.rows(1, np.array(0.0)), axis=1)
    width = tables.features.shape[1]
    positions = graph.add("Reshape", _lookup(graph, tables.features, leaf), graph.axes(-1, n_trees * width))
    taken = graph.add("GatherElements", padded, positions, axis=1)
    return graph.add("Reshape", taken, graph.axes(-1, n_trees, width))


def _lookup(graph: Graph, table: Float64s | Int64s, leaf: str) -> str:
    """Rows of a table by leaf number: [n_rows, n_trees, k]."""
    return graph.add("Gather", graph.constant(table), leaf, axis=0)


def _last(graph: Graph, values: str, *, axis: int) -> str:
    return graph.add("Gather", values, graph.constant(np.array(-1, dtype=np.int64)), axis=axis)
