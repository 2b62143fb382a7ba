"""What the forest kernels take: trees as flat arrays, and the rules that turn sums into predictions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace_kernels.dtypes import Flags, Integers

Int32s: TypeAlias = npt.NDArray[np.int32]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Scores: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]
"""float64[n_rows, n_targets] or float32, as the leaves' values are."""


class ColumnKind(IntEnum):
    """How a split sees a feature."""

    PLAIN = 0
    ZERO_MISSING = 1  # NaN for every |x| <= 1e-35
    TABLE = 2  # right where the table says 1 for the number truncated toward zero


@dataclass(frozen=True)
class Forest:
    """Trees as flat arrays; a child is a node from 0 on, or ~leaf.

    Invariants: every node and every leaf belongs to one tree and has one parent or is its root; no split is NaN.

    Attributes:
        n_features: columns of the rows.
        n_targets: sums a row.
        column_feature: int32[n_columns], the feature each column reads.
        column_kind: uint8[n_columns], values of `ColumnKind`.
        table_start: int64[n_columns + 1], where each column's table begins in `tables`; empty where it is no TABLE.
        tables: uint8[n_entries]; of a table of length k, entry c + 1 is for category c in 0..k-2, entry 0 for all else
            (NaN, negatives, larger numbers); 0 goes left, 1 right.
        node_column: int32[n_nodes].
        node_split: float32[n_nodes]; x <= split goes left. Not read where the column is a TABLE.
        node_nan_left: bool[n_nodes], where NaN goes. Not read where the column is a TABLE.
        node_left: int32[n_nodes].
        node_right: int32[n_nodes].
        tree_root: int32[n_trees], in the order of summation, at least one.
        tree_targets: int32[n_trees, width], where the values of each tree's leaves are added.
        leaf_values: float64[n_leaves, width] or float32; sums are of the same dtype.
        base: [n_targets] of that dtype, added to each sum when all trees are; empty for nothing.
    """

    n_features: int
    n_targets: int
    column_feature: Int32s
    column_kind: Bytes
    table_start: Integers
    tables: Bytes
    node_column: Int32s
    node_split: npt.NDArray[np.float32]
    node_nan_left: Flags
    node_left: Int32s
    node_right: Int32s
    tree_root: Int32s
    tree_targets: Int32s
    leaf_values: npt.NDArray[Any]
    base: npt.NDArray[Any]


class Link(IntEnum):
    """Transformations of sums x, b being the base."""

    IDENTITY = 0
    SQUARE = 1  # |x| * x
    EXPONENTIAL = 2  # b ** x
    LOGISTIC = 3  # 1 / (b ** x + 1)
    SOFTMAX = 4  # b ** (x - max x) over its sum


@dataclass(frozen=True)
class LinkRule:
    """A link; sums are divided by `divisor` before anything else."""

    link: Link
    base: float = 1.0
    divisor: float = 1.0


class Transform(IntEnum):
    """What a classifier does to its scores."""

    NONE = 0
    LOGISTIC = 1
    SOFTMAX = 2


@dataclass(frozen=True)
class ClassRule:
    """A classifier's last step.

    Attributes:
        transform: of the scores.
        all_positive: no leaf weighs below zero; a single score is then the second class's probability as it is.
        classes: int64[n_classes], the labels, at least two.
    """

    transform: Transform
    all_positive: bool
    classes: Integers
