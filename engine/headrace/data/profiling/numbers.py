"""Everything a profile knows about a column of numbers: counted value by value while it can, sketched afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.data.profiling.arrays import hash_integers
from headrace.data.profiling.distinct import DistinctSketch
from headrace.data.profiling.frequencies import EXACT_VALUES, Frequencies
from headrace.data.profiling.moments import Moments
from headrace.data.profiling.quantiles import QuantileSketch

_NARROW = 1 << 16  # integers within such a range are counted in an array, not sorted


@dataclass(slots=True)
class Sketches:
    """What is kept of a column with more than EXACT_VALUES different values."""

    quantiles: QuantileSketch
    distinct: DistinctSketch = field(default_factory=DistinctSketch)
    moments: Moments = field(default_factory=Moments)

    def add(self, values: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> None:
        """Add distinct values, ascending, with their counts."""
        if len(values) and int(counts[counts.argmax()]) == 1:
            self.quantiles.add_sorted(values)
        elif len(values) <= EXACT_VALUES:
            self.quantiles.add_counted(values, counts)
        else:
            self.quantiles.add_sorted(np.repeat(values, counts))
        self.distinct.add(hash_integers(values))
        self.moments += Moments.of(values, counts)

    def merge(self, other: Sketches) -> None:
        """Add the other's values."""
        self.quantiles.merge(other.quantiles)
        self.distinct.merge(other.distinct)
        self.moments += other.moments


class Numbers:
    """Statistics of int64 or float64 values, in any order; NaN and infinities are counted and otherwise left out.

    -0.0 is 0.0. Up to EXACT_VALUES different values everything is exact, and merging in any order gives the same;
    above, each sketch states its error. Memory: at most 1 MiB.

    Attributes:
        nan, below, above: number of NaN, of -Inf, of Inf.
        zeros, negatives: among the finite values.
        repeated: whether some value was seen twice (within a block of rows, or while the values were counted).
        low, high: the smallest and largest finite value; None without any.
        frequencies: counts of all values, or of the frequent ones.
        sketches: None while all values are counted.
        block_distinct: different values of the one block that was added; None where there were several, or none.
    """

    def __init__(self, dtype: type[np.int64 | np.float64]) -> None:
        self._none: npt.NDArray[Any] = np.zeros(0, dtype=dtype)
        self.count = self.nan = self.below = self.above = self.zeros = self.negatives = 0
        self.repeated = False
        self.low: int | float | None = None
        self.high: int | float | None = None
        self.frequencies = Frequencies(self._none)
        self.sketches: Sketches | None = None
        self.block_distinct: int | None = None

    def add(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Add values of the dtype, [n], in any order.

        Returns:
            the distinct finite ones among them, ascending.
        """
        if not len(values):
            return self._none
        if values.dtype == np.int64:
            low, high = int(values.min()), int(values.max())
            if high - low < min(_NARROW, 4 * len(values)):
                counts = np.bincount(values - low)
                places = np.flatnonzero(counts)
                return self.add_counted(places + low, counts[places])
            ordered = np.sort(values)
        else:
            ordered = self._finite(np.sort(values))
        return self.add_counted(*run_lengths(ordered))

    def add_counted(self, values: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Add distinct finite values, ascending, that come `counts` times each; returns the values."""
        if not len(values):
            return values
        self.block_distinct = None if self.count else len(values)
        self._tally(values, counts)
        if self.sketches is None and len(values) <= EXACT_VALUES:
            self.frequencies.add(values, counts)
            if len(self.frequencies.keys) > EXACT_VALUES:
                self._sketch()
            return values
        self._sketch().add(values, counts)
        self.frequencies.add(values, counts)
        self.frequencies.reduce()
        return values

    def merge(self, other: Numbers) -> None:
        """Add the other's values; the other is not changed."""
        if self.count and other.count:
            self.block_distinct = None
        elif other.count:
            self.block_distinct = other.block_distinct
        for name in ("count", "nan", "below", "above", "zeros", "negatives"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        self.low, self.high = min(lows, default=None), max(highs, default=None)
        self.repeated |= other.repeated
        if other.sketches is not None:
            self._sketch().merge(other.sketches)
        elif self.sketches is not None:
            self.sketches.add(other.frequencies.keys, other.frequencies.counts)
        self.frequencies.merge(other.frequencies)
        if self.sketches is None and len(self.frequencies.keys) > EXACT_VALUES:
            self._sketch()
        if self.sketches is not None:
            self.frequencies.reduce()
        else:
            self._see(self.frequencies.counts)

    def ranked(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Values, ascending, and how many are at or below each; the last number is `count`: [m], int64[m]."""
        if self.sketches is not None:
            return self.sketches.quantiles.ranked()
        return self.frequencies.keys, np.cumsum(self.frequencies.counts)

    @property
    def moments(self) -> Moments:
        """Of the finite values."""
        if self.sketches is not None:
            return self.sketches.moments
        return Moments.of(self.frequencies.keys, self.frequencies.counts)

    @property
    def distinct(self) -> tuple[int, bool]:
        """Number of different finite values, and whether it is exact."""
        if self.sketches is None:
            return len(self.frequencies.keys), True
        if self.block_distinct is not None:
            return self.block_distinct, True
        return min(self.sketches.distinct.count, self.count), self.sketches.distinct.exact

    def _finite(self, ordered: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Count what is not finite, at the ends of ascending values, and cut it off."""
        first, last = np.searchsorted(ordered, -np.inf, "right"), np.searchsorted(ordered, np.inf, "left")
        end = np.searchsorted(ordered, np.inf, "right")
        self.below += int(first)
        self.above += int(end - last)
        self.nan += len(ordered) - int(end)
        return ordered[first:last] + 0.0  # -0.0 becomes 0.0

    def _tally(self, values: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> None:
        zero, above = np.searchsorted(values, 0, "left"), np.searchsorted(values, 0, "right")
        self.count += int(counts.sum())
        self.negatives += int(counts[:zero].sum())
        self.zeros += int(counts[zero:above].sum())
        low, high = values[0].item(), values[-1].item()
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        self._see(counts)

    def _see(self, counts: npt.NDArray[np.int64]) -> None:
        self.repeated = self.repeated or bool(len(counts) and counts[counts.argmax()] > 1)

    def _sketch(self) -> Sketches:
        """The sketches; where there were none yet, with every value counted so far."""
        if self.sketches is None:
            self._see(self.frequencies.counts)
            self.sketches = Sketches(QuantileSketch(self._none))
            self.sketches.add(self.frequencies.keys, self.frequencies.counts)
            self.frequencies.reduce()
        return self.sketches


def run_lengths(ordered: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Distinct values of an ascending array, and how often each comes."""
    if not len(ordered):
        return ordered, np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if len(starts) == len(ordered):
        return ordered, np.ones(len(ordered), dtype=np.int64)
    return ordered[starts], np.diff(starts, append=len(ordered))
