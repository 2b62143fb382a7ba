"""The reference of one feature: frozen edges with counts, and how far its natural blocks stray from the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EDGES = 128
MAX_DISTINCT = 512
PSI_BINS = 10
_HALF_COUNT = 0.5  # added to each bin, so that an empty one gives a finite PSI


@dataclass(frozen=True)
class NaturalLimits:
    """How far a stretch of the reference strays from the rest of it, before anything is called drift.

    Attributes:
        block_days: length of the stretches.
        blocks: how many there were.
        wasserstein, psi, null_rate, unseen: limits in the statistic's own unit; 0 where too few stretches have values.
    """

    block_days: float
    blocks: int
    wasserstein: float = 0.0
    psi: float = 0.0
    null_rate: float = 0.0
    unseen: float = 0.0


@dataclass(frozen=True)
class FeatureReference:
    """What is kept of one feature's reference rows; nothing re-reads the rows themselves.

    Invariants: edges ascend strictly; counts[i] is the number of values in (edges[i-1], edges[i]], counts[0] those
    equal to edges[0], the smallest; the last edge is the largest value. `discrete`: the edges are all values there are.

    Attributes:
        role: window, state, calendar, request, derived or score.
        importance: gain share in [0, 1].
        rows: reference rows, missing ones included.
        std: standard deviation of the values, population form; 0 when there are fewer than two.
        natural: one entry a block length of which there are enough, shortest first.
    """

    name: str
    role: str
    importance: float
    rows: int
    nulls: int
    mean: float
    std: float
    discrete: bool
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    natural: tuple[NaturalLimits, ...]

    @property
    def values(self) -> int:
        """Reference rows that have a value."""
        return self.rows - self.nulls

    @property
    def null_rate(self) -> float:
        """Part of the reference rows without a value."""
        return self.nulls / self.rows if self.rows else 0.0

    def to_json(self) -> dict[str, Any]:
        """JSON data that `from_json` reads back to an equal reference."""
        return {
            **{k: v for k, v in vars(self).items() if k not in {"edges", "counts", "natural"}},
            "edges": list(self.edges),
            "counts": list(self.counts),
            "natural": [vars(limits) for limits in self.natural],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FeatureReference:
        """Inverse of `to_json`."""
        return cls(
            **{
                **data,
                "edges": tuple(data["edges"]),
                "counts": tuple(data["counts"]),
                "natural": tuple(NaturalLimits(**limits) for limits in data["natural"]),
            }
        )


def choose_edges(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], bool]:
    """Freeze the edges of a feature.

    Args:
        values: float32[n], finite, ascending.

    Returns:
        float64 edges, ascending strictly, and whether they are all values there are: at most MAX_DISTINCT distinct
        values are all kept, more are cut at EDGES equal steps of probability and at the tails. No values: no edges.
    """
    distinct = values[np.concatenate(([True], values[1:] != values[:-1]))] if len(values) else values
    if len(distinct) <= MAX_DISTINCT:
        return distinct.astype(np.float64), True
    tails = np.array([0.001, 0.002, 0.005])
    probabilities = np.concatenate((np.linspace(0.0, 1.0, EDGES + 1), tails, 1.0 - tails))
    positions = np.rint(np.sort(probabilities) * (len(values) - 1)).astype(np.int64)
    return np.unique(values[positions].astype(np.float64)), False


def wasserstein(
    counts: NDArray[np.int64],
    reference: NDArray[np.int64],
    edges: NDArray[np.float64],
    offsets: NDArray[np.float64] | None = None,
    *,
    above: int = 0,
) -> float:
    """First Wasserstein distance between two histograms on the same edges: the area between their distributions.

    Only up to the last edge: what lies beyond it is the caller's to add.

    Args:
        counts: int64[e], of values up to the last edge.
        reference: int64[e], not all zero.
        edges: float64[e].
        above: values above the last edge; together with counts not zero.
        offsets: for a discrete reference, float64[e]: summed distance of each bin's values to its edge; exact unless
            the distributions cross inside a bin. None: values lie evenly inside a bin, in both.
    """
    rows = counts.sum() + above
    gap = np.cumsum(counts) / rows - np.cumsum(reference) / reference.sum()
    if offsets is None:
        return float(np.dot((np.abs(gap[:-1]) + np.abs(gap[1:])) / 2.0, np.diff(edges)))
    area = np.concatenate(([0.0], gap[:-1] * np.diff(edges))) + offsets / rows
    return float(np.abs(area).sum())


def decile_bins(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bin number of each edge for PSI: the frozen deciles, fewer where values repeat. int64[e], ascending from 0."""
    middle = (np.cumsum(counts) - counts / 2.0) / max(1, counts.sum())
    bins = np.minimum((middle * PSI_BINS).astype(np.int64), PSI_BINS - 1)
    return np.unique(bins, return_inverse=True)[1].astype(np.int64)


def population_stability(counts: NDArray[np.int64], reference: NDArray[np.int64]) -> float:
    """Population stability index of two histograms with the same bins; half a row is added to every bin.

    Reference: Yurdakul and Naranjo, Statistical properties of the population stability index (2020).
    """
    p = (counts + _HALF_COUNT) / (counts + _HALF_COUNT).sum()
    q = (reference + _HALF_COUNT) / (reference + _HALF_COUNT).sum()
    return float(np.sum((p - q) * np.log(p / q)))


def bounded_limit(strays: Sequence[float]) -> float:
    """Limit for a statistic that has a ceiling (a rate, or PSI through its logarithm): 1.5 times the furthest stray.

    The furthest of a year's weeks is passed in most years, hence the margin.
    """
    return 1.5 * max(strays)


def unbounded_limit(strays: Sequence[float]) -> float:
    """Limit for a distance: 1.5 times the furthest stray, but at most 2.5 times the second.

    One odd block (windows that still fill in the first week, a hurricane) does not set a distance's limit alone.
    """
    ordered = sorted(strays, reverse=True)
    return min(1.5 * ordered[0], 2.5 * ordered[1])
