"""Gather traversal: all rows walk down all trees together, one level at a time.

State: int32[n_trees, n_rows], the slot that each row has reached in each tree. A level is seven operators, and moves
62 bytes a tree and row: look up the column (8), fetch the value (12), look up the threshold (8), compare (9), make the
answer a number (5), look up the child (8), add (12). Categories add three operators and 32 bytes: a flag's place (8),
the code (12), their sum (12). The roots are known beforehand: 18 bytes in three operators (42 in five with categories).
Trees are sorted by depth; where an eighth of those still walking have ended, they are cut off (8 bytes a tree once).
Near the roots neighbouring rows read the same columns, so fetches are contiguous; further down they scatter.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from headrace.packaging.export.forest import Int64s
from headrace.packaging.export.graph import INT32, Graph
from headrace.packaging.export.tensors.columns import Tested
from headrace.packaging.export.tensors.slots import Slots
from headrace.packaging.export.tensors.thresholds import Thresholds

_WORTH_A_CUT = 8


@dataclass(frozen=True)
class Arrived:
    """Where rows ended.

    Attributes:
        trees: int64[k], positions in the forest.
        slots: name of int32[k, n_rows].
    """

    trees: Int64s
    slots: str


def active_trees(depths: Int64s) -> list[int]:
    """How many of the trees, deepest first, are walked at each level from the roots on.

    Args:
        depths: int64[n_trees], descending, at least 1 each.
    """
    counts: list[int] = []
    for level in range(int(depths[0])):
        need = int(np.count_nonzero(depths > level))
        before = counts[-1] if counts else need
        counts.append(need if (before - need) * _WORTH_A_CUT >= before else before)
    return counts


def add_traversal(graph: Graph, tested: Tested, slots: Slots, thresholds: Thresholds, trees: Int64s) -> list[Arrived]:
    """Add the walk down the given trees (at least one, none of a single leaf).

    Args:
        graph: the graph to add to.
        tested: the columns.
        slots: the forest's numbering.
        thresholds: what to compare with.
        trees: int64[k], positions in the forest.
    """
    order = trees[np.argsort(-slots.depth[trees], kind="stable")]
    counts = active_trees(slots.depth[order])
    column, child = (graph.constant(each.astype(np.int32)) for each in (slots.column, slots.child))
    arrived: list[Arrived] = []
    here = _first(graph, tested, slots, thresholds, order)
    for before, count in pairwise(counts):
        if count < before:
            here, ended = graph.split(here, [count, before - count], axis=0)
            arrived.append(Arrived(order[count:before], ended))
        compared = graph.add("Gather", column, here, axis=0)
        values = graph.add("GatherElements", tested.values, compared, axis=0)
        codes = graph.add("GatherElements", tested.codes, compared, axis=0) if tested.codes else None
        is_left = graph.add("LessOrEqual", values, thresholds.at(here, codes))
        here = graph.add("Add", graph.add("Gather", child, here, axis=0), graph.cast(is_left, INT32))
    return [*arrived, Arrived(order[: counts[-1]], here)]


def _first(graph: Graph, tested: Tested, slots: Slots, thresholds: Thresholds, trees: Int64s) -> str:
    """The slots below the roots."""
    root = slots.root[trees]
    compared = graph.constant(slots.column[root])
    values = graph.add("Gather", tested.values, compared, axis=0)
    codes = graph.add("Gather", tested.codes, compared, axis=0) if tested.codes else None
    is_left = graph.add("LessOrEqual", values, thresholds.of(root[:, None], codes))
    right = slots.child[root][:, None].astype(np.int32)
    return graph.add("Where", is_left, graph.constant(right + 1), graph.constant(right))
