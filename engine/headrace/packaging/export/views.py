"""The matrix a tree operator reads: the model input, with the views that some splits need beside it."""

from __future__ import annotations

import math

import numpy as np

from headrace.packaging.export.decisions import ZERO_THRESHOLD, Columns
from headrace.packaging.export.forest import Int64s
from headrace.packaging.export.graph import INT64, Graph


def add_columns(graph: Graph, columns: Columns) -> str:
    """Add what computes the planned columns from the input; return the matrix's name.

    Args:
        graph: the graph to add to; the matrix has its element type.
        columns: which views are needed.
    """
    plain = graph.inputs()
    blocks = [plain]
    if len(columns.zero_missing):
        blocks.append(_zero_missing(graph, _take(graph, plain, columns.zero_missing)))
    if len(columns.category):
        numbers = _category(graph, _take(graph, plain, columns.category), columns.highest_category)
        blocks.append(numbers)
        if columns.set_tables:
            blocks.append(_sets(graph, numbers, columns))
    return graph.add("Concat", *blocks, axis=1) if len(blocks) > 1 else plain


def _take(graph: Graph, matrix: str, features: Int64s) -> str:
    return graph.add("Gather", matrix, graph.constant(features), axis=1)


def _zero_missing(graph: Graph, values: str) -> str:
    """NaN for every |x| <= 1e-35 (and for NaN), x elsewhere."""
    zero = graph.add("LessOrEqual", graph.add("Abs", values), graph.scalar(ZERO_THRESHOLD))
    return graph.add("Where", zero, graph.scalar(math.nan), values)


def _category(graph: Graph, values: str, highest: Int64s) -> str:
    """The number truncated toward zero where that is one of 0..highest of its column, -1 elsewhere.

    Above -1 truncation is the floor of the absolute value; a comparison with NaN is false.
    """
    above = graph.add("Greater", values, graph.scalar(-1.0))
    below = graph.add("Less", values, graph.constant((highest + 1).astype(graph.precision.value)))
    known = graph.add("And", above, below)
    number = graph.add("Floor", graph.add("Abs", values))
    return graph.add("Where", known, number, graph.scalar(-1.0))


def _sets(graph: Graph, numbers: str, columns: Columns) -> str:
    """Bits of each known category, by table; the tables stay bytes until the last moment."""
    rows = graph.cast(graph.add("Add", numbers, graph.scalar(1.0)), INT64)
    looked_up = []
    for feature, table in columns.set_tables.items():
        position = int(np.searchsorted(columns.category, feature))
        row = graph.add("Gather", rows, graph.constant(np.array(position, dtype=np.int64)), axis=1)
        looked_up.append(graph.add("Gather", graph.constant(table.bits), row, axis=0))
    packed = graph.add("Concat", *looked_up, axis=1) if len(looked_up) > 1 else looked_up[0]
    return graph.cast(packed, graph.element_type)
