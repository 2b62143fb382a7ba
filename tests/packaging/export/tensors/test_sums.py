"""Sums are taken in order from zero, whatever their number and wherever constants stand."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest

from headrace.packaging.export.graph import FLOAT64, Graph, Precision
from headrace.packaging.export.tensors.sums import add_sum


@pytest.mark.parametrize("constants", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 15, 16, 40])
def test_a_sum_rounds_as_one_addition_after_the_other(count, constants, run):
    """Values of all sizes, so that another order rounds differently; rows and constants mixed."""
    generator = np.random.default_rng(count)
    rows = (generator.normal(size=(500, 1)) * 10.0).astype(np.float32)
    factors = generator.normal(size=count) * 10.0 ** generator.integers(-8, 8, count)
    is_constant = generator.random(count) < constants
    graph = Graph("features", 1, Precision.FLOAT64)
    row = graph.add("Transpose", graph.inputs(), perm=[1, 0])
    zeros = graph.add("Mul", row, graph.scalar(0.0))
    terms, expected = [], [np.zeros(len(rows))]
    for factor, constant in zip(factors, is_constant, strict=True):
        terms.append(float(factor) if constant else graph.add("Mul", row, graph.scalar(factor)))
        expected.append(np.full(len(rows), factor) if constant else rows[:, 0].astype(np.float64) * factor)
    total = graph.add("Transpose", add_sum(graph, terms, zeros), perm=[1, 0])
    answered = run(graph.serialize(total, name="sum", element_type=FLOAT64, width=1), rows)
    np.testing.assert_array_equal(answered[:, 0], list(accumulate(expected))[-1])


def test_eight_rows_are_added_by_one_operator():
    """ONNX Runtime's CUDA kernel adds eight inputs in one pass: nineteen rows take three operators and a first."""
    graph = Graph("features", 1, Precision.FLOAT64)
    add_sum(graph, [f"row{n}" for n in range(22)], "zeros")
    assert [(node.op_type, len(node.input)) for node in graph.nodes] == [("Add", 2), ("Sum", 8), ("Sum", 8), ("Sum", 8)]
