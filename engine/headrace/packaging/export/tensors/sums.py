"""Leaf values summed in LightGBM's order, tree after tree from 0, in float64.

One `Sum` adds up to eight rows of values, one after the other: ONNX Runtime's CPU kernel does, and its CUDA kernel adds
eight inputs of one shape in a single pass, first to last, in each thread (core/providers/cuda/cu_inc/
variadic_elementwise_impl.cuh; more than eight it adds one by one, in as many passes). So trees are taken seven at a
time on top of the sum so far: 72 bytes a row for seven trees. Trees of one leaf are constants and are added alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headrace.packaging.export.graph import Graph

_INPUTS = 8


def add_sum(graph: Graph, terms: Sequence[str | float], zeros: str) -> str:
    """Add up float64[1, n_rows] terms in the order given; a number stands for a row of it.

    Args:
        graph: the graph to add to.
        terms: names of rows, or constants.
        zeros: name of a row of zeros, for sums that have no row.
    """
    total: str | float = 0.0
    waiting: list[str] = []
    for term in terms:
        if isinstance(term, str):
            waiting.append(term)
            if len(waiting) < _INPUTS - isinstance(total, str):
                continue
        total = _flush(graph, total, waiting)
        waiting = []
        if not isinstance(term, str):
            total = total + term if isinstance(total, float) else _plus(graph, total, term)
    total = _flush(graph, total, waiting)
    return _plus(graph, zeros, total) if isinstance(total, float) else total


def _flush(graph: Graph, total: str | float, rows: list[str]) -> str | float:
    """The total with rows added, in as few operators as may be."""
    if not rows:
        return total
    if isinstance(total, float):
        start = _plus(graph, rows[0], total)  # 0 as well: LightGBM starts there, and -0.0 becomes 0.0
        rows = rows[1:]
    else:
        start = total
    return graph.add("Sum", start, *rows) if rows else start


def _plus(graph: Graph, row: str, value: float) -> str:
    return graph.add("Add", row, graph.constant(np.array([[value]])))
