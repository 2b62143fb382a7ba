"""The sketch of a window of rows against a baseline's frozen edges: small, additive, all that drift needs to judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import InvalidInputError
from headrace.monitoring.reference import FeatureReference, wasserstein

READ_ROLES = frozenset({"state", "request"})
"""Roles whose values are read, not computed: they come from a vocabulary, so that a value never seen says something."""


@dataclass(frozen=True)
class FeatureSketch:
    """One feature's window.

    Attributes:
        rows: window rows, missing ones included.
        nulls: rows whose value is NaN.
        counts: rows by the reference's bins, one an edge; those below the first edge are in its bin.
        offsets: summed distance of each bin's values up to its edge, in the feature's unit; of a reference that is not
            discrete only the first, of values below the edges, is kept and the others are 0.
        above: rows above the last edge, which are in no bin.
        above_excess: their summed distance down to it.
        outside: rows with a value the reference does not have: beyond its edges or, for a discrete one, between them.
    """

    rows: int
    nulls: int
    counts: tuple[int, ...]
    offsets: tuple[float, ...]
    above: int = 0
    above_excess: float = 0.0
    outside: int = 0

    @property
    def values(self) -> int:
        """Window rows that have a value."""
        return self.rows - self.nulls

    def __add__(self, other: FeatureSketch) -> FeatureSketch:
        """Sketch of both windows together, from the same reference; integer fields are exact in any order."""
        return FeatureSketch(
            rows=self.rows + other.rows,
            nulls=self.nulls + other.nulls,
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            offsets=tuple(a + b for a, b in zip(self.offsets, other.offsets, strict=True)),
            above=self.above + other.above,
            above_excess=self.above_excess + other.above_excess,
            outside=self.outside + other.outside,
        )


def sketch_feature(reference: FeatureReference, column: NDArray[np.float32]) -> FeatureSketch:
    """Sketch one column.

    Args:
        reference: what the column is compared with.
        column: float32[n]; NaN = missing; Inf counts as the largest float32.

    Complexity: O(n log edges).
    """
    limit = np.finfo(np.float32).max
    values = np.clip(column[~np.isnan(column)], -limit, limit).astype(np.float64)
    edges = np.array(reference.edges)
    nulls = len(column) - len(values)
    if not len(edges):
        return FeatureSketch(len(column), nulls, (), ())
    high = values > edges[-1]
    excess = float(np.sum(values[high] - edges[-1]))
    values = values[~high]
    bins = np.searchsorted(edges, values, side="left")
    distance = edges[bins] - values  # up to the bin's edge
    foreign = distance > 0.0 if reference.discrete else values < edges[0]
    above = int(np.count_nonzero(high))
    return FeatureSketch(
        rows=len(column),
        nulls=nulls,
        counts=tuple(np.bincount(bins, minlength=len(edges)).tolist()),
        offsets=tuple(np.bincount(bins[foreign], distance[foreign], minlength=len(edges)).tolist()),
        above=above,
        above_excess=excess,
        outside=above + int(np.count_nonzero(foreign)),
    )


def distance_of(reference: FeatureReference, sketch: FeatureSketch) -> float:
    """Wasserstein distance of a window from its reference, in the feature's unit, beyond the reference's edges too.

    Both have values. For a discrete reference exact, but where the distributions cross between two neighbouring values.
    """
    edges, counts, old = np.array(reference.edges), np.array(sketch.counts), np.array(reference.counts)
    offsets = np.array(sketch.offsets)
    beyond = sketch.above_excess / sketch.values
    if reference.discrete:
        return wasserstein(counts, old, edges, offsets, above=sketch.above) + beyond
    return wasserstein(counts, old, edges, above=sketch.above) + float(offsets.sum()) / sketch.values + beyond


def check_columns(values: NDArray[Any], names: tuple[str, ...]) -> None:
    """Refuse a matrix that does not have one float32 column a name.

    Raises:
        InvalidInputError: says what came and what was expected.
    """
    if values.ndim != 2 or values.shape[1] != len(names) or values.dtype != np.float32:
        raise InvalidInputError(
            f"the matrix is {values.dtype}{list(values.shape)}; expected float32[n, {len(names)}], one column a feature"
        )
