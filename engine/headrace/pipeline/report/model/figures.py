"""Numbers a report shows: an estimate with its interval, a histogram."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval; without an interval both ends are None."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges.

    Attributes:
        edges: ascending, one more than `counts`; in the unit of the thing counted.
        counts: events in `[edges[i], edges[i + 1])`; the last bin holds its right edge too.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """How often one value of a categorical column occurs."""

    value: str
    rows: int


@dataclass(frozen=True, slots=True)
class Fact:
    """A named value shown as it is: a machine, a seed, a library and its version."""

    name: str
    value: str
