"""The columns that splits compare, as rows of a matrix [n_columns, n_rows]: neighbouring rows lie side by side.

Moves, for each row of the input, 8 bytes a feature to turn the matrix and 12 to 30 bytes a column.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from headrace.packaging.export.decisions import ZERO_THRESHOLD
from headrace.packaging.export.forest import Int64s
from headrace.packaging.export.graph import FLOAT64, INT32, Graph
from headrace.packaging.export.tensors.splits import Kind, TestedColumns


@dataclass(frozen=True)
class Tested:
    """Names of matrices in the graph.

    Attributes:
        features: float32[n_features, n_rows], the input turned.
        values: float32[n_columns, n_rows].
        codes: int32[n_columns, n_rows], category + 1, 0 for none and in every other column; None without categories.
    """

    features: str
    values: str
    codes: str | None


def add_tested(graph: Graph, columns: TestedColumns) -> Tested:
    """Add what computes the columns from the input."""
    features = graph.add("Transpose", graph.inputs(), perm=[1, 0])
    blocks = [_block(graph, features, columns, kind) for kind in Kind if kind is not Kind.CODE]
    values = [block for block in blocks if block]
    categories = columns.of(Kind.CODE)
    if not len(categories):
        return Tested(features, _rows(graph, values), None)
    plain = _rows(graph, values)
    known, code = _codes(graph, _take(graph, features, categories), columns.highest[columns.kind == Kind.CODE])
    half = graph.add("Where", known, graph.scalar(0.5), graph.scalar(0.5))
    none = graph.cast(_never(graph, plain), INT32)
    return Tested(features, _rows(graph, [plain, half]), _rows(graph, [none, code]))


def add_zeros(graph: Graph, features: str) -> str:
    """A row of zeros, float64[1, n_rows], made of the input so that no operator has to ask for a shape."""
    return graph.cast(_never(graph, _take(graph, features, np.zeros(1, np.int64))), FLOAT64)


def _block(graph: Graph, features: str, columns: TestedColumns, kind: Kind) -> str:
    """The columns of one kind, "" where there are none."""
    own = columns.of(kind)
    if not len(own):
        return ""
    values = features if np.array_equal(own, np.arange(graph.n_features)) else _take(graph, features, own)
    if kind is Kind.PLAIN:
        return values
    if kind is Kind.LOW:
        return graph.add("Where", graph.add("IsNaN", values), graph.scalar(-math.inf), values)
    other = graph.add("Greater", graph.add("Abs", values), graph.scalar(ZERO_THRESHOLD))  # false for NaN
    return graph.add("Where", other, values, graph.scalar(math.nan if kind is Kind.ZERO else -math.inf))


def _codes(graph: Graph, values: str, highest: Int64s) -> tuple[str, str]:
    """Whether a value is a known category, and its code: see `views` for the rule, which is the CPU graph's."""
    above = graph.add("Greater", values, graph.scalar(-1.0))
    below = graph.add("Less", values, graph.constant((highest + 1).astype(np.float32)[:, None]))
    known = graph.add("And", above, below)
    number = graph.add("Add", graph.add("Floor", graph.add("Abs", values)), graph.scalar(1.0))
    return known, graph.cast(graph.add("Where", known, number, graph.scalar(0.0)), INT32)


def _never(graph: Graph, values: str) -> str:
    return graph.add("LessOrEqual", values, graph.scalar(math.nan))


def _take(graph: Graph, matrix: str, rows: Int64s) -> str:
    return graph.add("Gather", matrix, graph.constant(rows), axis=0)


def _rows(graph: Graph, blocks: list[str]) -> str:
    return graph.add("Concat", *blocks, axis=0) if len(blocks) > 1 else blocks[0]
