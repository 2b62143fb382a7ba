"""Splits of a forest as comparisons `value <= threshold` that NaN never takes left, and sets as flags by category.

The rules are the CPU graph's (`decisions`), so that both choose the same child for every float32. What a tree operator
says with a direction for NaN, tensors say with another view of the column: a node that sends NaN left reads one with
-inf for it. Thresholds are rounded down to float32, which no float32 can tell from the float64 ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from headrace.core.errors import UnimplementedError
from headrace.packaging.export.decisions import Columns, Rules, floor_to_float32, plan_columns, plan_rules
from headrace.packaging.export.forest import Forest, Int64s, Tree

Float32s = npt.NDArray[np.float32]
FLAGS_LIMIT = 1 << 24  # entries of all sets together; also keeps every category a whole float32


class Kind(IntEnum):
    """What a split compares, in the order of the columns."""

    PLAIN = 0  # the feature; NaN goes right
    LOW = 1  # -inf for NaN, which so goes left
    ZERO = 2  # NaN for NaN and every |x| <= 1e-35: missing goes right
    ZERO_LOW = 3  # -inf for the same: missing goes left
    CODE = 4  # 0.5; the flag of the category is the threshold, 1 for a member and 0 for a stranger


@dataclass(frozen=True)
class TestedColumns:
    """Columns that splits compare, by kind and then by feature; the first is never a category's.

    Attributes:
        kind: int64[n_columns], values of `Kind`.
        feature: int64[n_columns].
        highest: int64[n_columns], for categories the largest one that a split knows, else 0.
    """

    kind: Int64s
    feature: Int64s
    highest: Int64s

    def of(self, kind: Kind) -> Int64s:
        """Features seen in one way, ascending."""
        own: Int64s = self.feature[self.kind == kind]
        return own


@dataclass(frozen=True)
class Splits:
    """Splits of one tree.

    Attributes:
        column: int64[n_nodes], position among `TestedColumns`.
        threshold: float32[n_nodes]; value <= threshold goes left. Not read where `flags` has an offset.
        flags: int64[n_nodes], where the flags of a category node begin, -1 for other nodes.
    """

    column: Int64s
    threshold: Float32s
    flags: Int64s


@dataclass(frozen=True)
class SplitPlan:
    """Splits of a forest.

    Attributes:
        columns: what they compare.
        trees: the splits, a tree each.
        flags: uint8[n], of each set one entry for no known category, then one a category; 1 goes left.
    """

    columns: TestedColumns
    trees: tuple[Splits, ...]
    flags: npt.NDArray[np.uint8]


def plan_splits(forest: Forest) -> SplitPlan:
    """Restate a forest's splits.

    Raises:
        UnimplementedError: its sets of categories would need more than `FLAGS_LIMIT` entries.
    """
    views = replace(plan_columns(forest), set_tables={})
    rules = [plan_rules(tree, views) for tree in forest.trees]
    kinds = [_kinds(tree, one, views) for tree, one in zip(forest.trees, rules, strict=True)]
    pairs = [kind * forest.n_features + tree.feature for kind, tree in zip(kinds, forest.trees, strict=True)]
    known = np.unique(np.concatenate([np.zeros(1, np.int64), *pairs]))
    highest = np.zeros(len(known), np.int64)
    highest[known >= Kind.CODE * forest.n_features] = views.highest_category
    columns = TestedColumns(known // forest.n_features, known % forest.n_features, highest)
    positions = [np.searchsorted(known, pair) for pair in pairs]
    flags, starts = _flags(columns, _sets(forest, rules, positions))
    trees = []
    for tree, one, column in zip(forest.trees, rules, positions, strict=True):
        where = np.array([next(starts) if is_set else -1 for is_set in tree.categorical], dtype=np.int64)
        trees.append(Splits(column, floor_to_float32(one.threshold), where))
    return SplitPlan(columns, tuple(trees), flags)


def _kinds(tree: Tree, rules: Rules, views: Columns) -> Int64s:
    plain = np.where(rules.nan_left, Kind.LOW, Kind.PLAIN)
    zero = np.where(rules.nan_left, Kind.ZERO_LOW, Kind.ZERO)
    return np.where(tree.categorical, Kind.CODE, np.where(rules.column < views.n_features, plain, zero)).astype(
        np.int64
    )


def _sets(forest: Forest, rules: list[Rules], positions: list[Int64s]) -> Iterator[tuple[int, Int64s]]:
    """Column and members of every category node, in the order of nodes."""
    nothing = np.zeros(0, np.int64)
    for tree, one, column in zip(forest.trees, rules, positions, strict=True):
        for node in np.flatnonzero(tree.categorical):
            yield int(column[node]), one.members.get(int(node), nothing)


def _flags(columns: TestedColumns, sets: Iterator[tuple[int, Int64s]]) -> tuple[npt.NDArray[np.uint8], Iterator[int]]:
    """Flags of all different sets, and where each node's begin; equal sets of one column are stored once."""
    known: dict[tuple[int, bytes], int] = {}
    parts: list[npt.NDArray[np.uint8]] = []
    starts, size = [], 0
    for column, members in sets:
        start = known.setdefault((column, members.tobytes()), size)
        starts.append(start)
        if start < size:
            continue
        size += int(columns.highest[column]) + 2
        if size > FLAGS_LIMIT:
            raise UnimplementedError(
                f"the sets of categories need more than {FLAGS_LIMIT:,} entries as look-up tables",
                hint="the graph of tensor operations is left out; the model runs on the CPU",
            )
        part = np.zeros(int(columns.highest[column]) + 2, dtype=np.uint8)
        part[members + 1] = 1
        parts.append(part)
    return np.concatenate([np.zeros(0, np.uint8), *parts]), iter(starts)
