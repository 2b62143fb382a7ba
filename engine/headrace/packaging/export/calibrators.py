"""Calibrators as graph nodes, with the bits of `headrace.packaging.calibrator`.

A Platt curve becomes one more tree, of a single leaf, and another base of the logistic link: the graph keeps the form
that the native runtime of forests recognises. An isotonic curve becomes a look-up between knots.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headrace.packaging.calibrator import Calibrator, Isotonic, Platt
from headrace.packaging.export.forest import Forest, Tree
from headrace.packaging.export.graph import INT64, Graph


def with_offset(forest: Forest, calibrator: Calibrator | None) -> Forest:
    """The forest whose sums hold a Platt curve's offset, added last; others stay as they are."""
    if not isinstance(calibrator, Platt) or not forest.trees or forest.is_linear:
        return forest
    return replace(forest, trees=(*forest.trees, _constant(calibrator.offset)))


def add_calibration(graph: Graph, raw: str, calibrator: Calibrator, *, offset_is_in: bool) -> str:
    """Add the nodes from raw scores, float64[n_rows, 1], to probabilities; return the result's name."""
    if isinstance(calibrator, Isotonic):
        return _isotonic(graph, raw, calibrator)
    moved = raw if offset_is_in else graph.add("Add", raw, graph.constant(np.array(calibrator.offset)))
    powers = graph.add("Pow", graph.constant(np.array(calibrator.base)), moved)
    return graph.add("Reciprocal", graph.add("Add", powers, graph.constant(np.array(1.0))))


def _isotonic(graph: Graph, raw: str, calibrator: Isotonic) -> str:
    knots, values = np.array(calibrator.knots), np.array(calibrator.values)
    inside = graph.add("Max", raw, graph.constant(knots[:1]))
    inside = graph.add("Min", inside, graph.constant(knots[-1:]))
    reached = graph.add("GreaterOrEqual", inside, graph.constant(knots[None, 1:-1]))
    place = graph.add("ReduceSum", graph.cast(reached, INT64), graph.axes(1), keepdims=1)  # whole numbers: any order
    start, low, high, slope = (
        graph.add("Gather", graph.constant(column), place) for column in (knots, values, values[1:], calibrator.slopes)
    )
    risen = graph.add("Mul", slope, graph.add("Sub", inside, start))
    return graph.add("Min", graph.add("Add", low, risen), high)


def _constant(value: float) -> Tree:
    """A tree of one leaf."""
    whole, flag = np.zeros(0, np.int64), np.zeros(0, np.bool_)
    return Tree(
        feature=whole,
        threshold=np.zeros(0),
        missing=whole,
        default_left=flag,
        categorical=flag,
        left=whole,
        right=whole,
        leaf_value=np.array([value]),
        categories=(),
        linear=None,
    )
