"""How a column's values are distributed, small enough to be kept with a project and compared with later rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.data.profile import histogram_edges

STEPS = 128
DISCRETE_VALUES = 512
_TAILS = (0.001, 0.002, 0.005)
SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

Values = npt.NDArray[Any]
Ranks = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Distribution:
    """Edges with counts: the form in which a model's baseline keeps a feature, too.

    Invariants: edges ascend strictly; counts[i] is the number of values in (edges[i-1], edges[i]], counts[0] those
    equal to edges[0], the smallest; the last edge is the largest value. `discrete`: the edges are all values there are.

    Attributes:
        edges: at most 135, or DISCRETE_VALUES where these are all; times in microseconds since the epoch, UTC.
        counts: exact where the column's values were counted, else within RANK_ERROR of the number of values.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    discrete: bool

    @classmethod
    def of(cls, values: Values, ranks: Ranks, *, exact: bool) -> Distribution:
        """Cut ranked values at equal steps of probability and at the tails.

        Args:
            values: float64[m] or int64[m], ascending.
            ranks: int64[m], how many values are at or below each.
            exact: whether these are all values there are, each once.
        """
        if exact and len(values) <= DISCRETE_VALUES:
            return cls(tuple(values.tolist()), tuple(np.diff(ranks, prepend=0).tolist()), discrete=True)
        tails = np.array(_TAILS)
        shares = np.sort(np.concatenate((np.linspace(0.0, 1.0, STEPS + 1), tails, 1.0 - tails)))
        edges = np.unique(values[_places(ranks, shares)])
        last = np.searchsorted(values, edges, side="right") - 1
        return cls(tuple(edges.tolist()), tuple(np.diff(ranks[last], prepend=0).tolist()), discrete=False)

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return {"edges": list(self.edges), "counts": list(self.counts), "discrete": self.discrete}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Distribution:
        """Inverse of `to_json`."""
        return cls(tuple(data["edges"]), tuple(data["counts"]), bool(data["discrete"]))


def quantiles_of(values: Values, ranks: Ranks) -> dict[str, Any]:
    """The smallest value with at least a share of all values at or below it, by `p01` to `p99`."""
    places = _places(ranks, np.array(SHARES))
    names = (f"p{share * 100:02.0f}" for share in SHARES)
    return {name: values[place].item() for name, place in zip(names, places, strict=True)}


@dataclass(frozen=True)
class Histogram:
    """Bins of one width between two quantiles, so that an outlier does not flatten the picture.

    Attributes:
        edges: one more than there are bins.
        counts: values in [edges[i], edges[i+1]), in the last bin also those at its end.
        below, above: values outside of the bins.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int
    above: int

    @classmethod
    def of(cls, values: Values, ranks: Ranks, low: float, high: float, bins: int) -> Histogram:
        """Count ranked values into `bins` bins from low to high."""
        edges = histogram_edges(float(low), float(high), bins)
        numbers = values.astype(np.float64)
        inner = _below(ranks, np.searchsorted(numbers, edges[:-1], side="left"))
        end = _below(ranks, np.searchsorted(numbers, edges[-1:], side="right"))
        counts = np.diff(np.concatenate((inner, end)))
        return cls(tuple(edges.tolist()), tuple(counts.tolist()), int(inner[0]), int(ranks[-1] - end[0]))

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return {"edges": list(self.edges), "counts": list(self.counts), "below": self.below, "above": self.above}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Histogram:
        """Inverse of `to_json`."""
        return cls(tuple(data["edges"]), tuple(data["counts"]), int(data["below"]), int(data["above"]))


def _places(ranks: Ranks, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Position of the first value whose rank reaches each share."""
    wanted = np.maximum(np.ceil(shares * float(ranks[-1]) - 1e-9), 1.0)
    return np.minimum(np.searchsorted(ranks, wanted, side="left"), len(ranks) - 1)


def _below(ranks: Ranks, places: npt.NDArray[np.intp]) -> Ranks:
    """How many values lie before each position."""
    return np.concatenate((np.zeros(1, np.int64), ranks))[places]
