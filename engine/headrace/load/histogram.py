"""A log-linear histogram of nanoseconds: 256 buckets an octave, so a value is known to 0.4 % of itself.

The native generator fills the same buckets (engine/native/load/histogram.h); percentiles are computed here alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BITS = 8
_FIRST = 1 << BITS

Counts = npt.NDArray[np.int64]


def bucket_of(nanoseconds: npt.NDArray[np.int64]) -> Counts:
    """Number of the bucket of each value: int64[n], not negative."""
    _, exponent = np.frexp(nanoseconds.astype(np.float64))
    shift = np.maximum(exponent.astype(np.int64) - 1 - BITS, 0)
    return np.where(nanoseconds < _FIRST, nanoseconds, (shift << BITS) + (nanoseconds >> shift))


def middle_of(buckets: Counts) -> npt.NDArray[np.float64]:
    """Nanoseconds in the middle of each bucket."""
    shift = np.maximum((buckets >> BITS) - 1, 0)
    low = np.where(buckets < _FIRST, buckets, ((buckets & (_FIRST - 1)) + _FIRST) << shift)
    middle: npt.NDArray[np.float64] = low + ((1 << shift) - 1) / 2
    return middle


@dataclass(frozen=True)
class Histogram:
    """Counts of durations.

    Attributes:
        buckets: int64[n], ascending, those that hold something.
        counts: int64[n].
        max_ns: the largest value, exactly.
    """

    buckets: Counts
    counts: Counts
    max_ns: int

    @classmethod
    def of_pairs(cls, pairs: Sequence[tuple[int, int]], max_ns: int) -> Histogram:
        """Take (bucket, count) pairs as the native generator gives them."""
        both = np.array(pairs, np.int64).reshape(-1, 2)
        return cls(both[:, 0], both[:, 1], max_ns)

    @classmethod
    def of_values(cls, nanoseconds: npt.NDArray[np.int64]) -> Histogram:
        """Count values: int64[n]."""
        buckets, counts = np.unique(bucket_of(nanoseconds), return_counts=True)
        return cls(buckets, counts.astype(np.int64), int(nanoseconds.max(initial=0)))

    @classmethod
    def merged(cls, parts: Iterable[Histogram]) -> Histogram:
        """Add histograms up; none: an empty one."""
        found = list(parts)
        if not found:
            return cls.of_pairs([], 0)
        buckets, place = np.unique(np.concatenate([part.buckets for part in found]), return_inverse=True)
        counts = np.zeros(len(buckets), np.int64)
        np.add.at(counts, place, np.concatenate([part.counts for part in found]))
        return cls(buckets, counts, max(part.max_ns for part in found))

    @property
    def total(self) -> int:
        """Values counted."""
        return int(self.counts.sum())

    @property
    def mean_ns(self) -> float:
        """Mean; NaN where nothing was counted."""
        return float(middle_of(self.buckets) @ self.counts / self.total) if self.total else float("nan")

    def quantile_ns(self, share: float) -> float:
        """Duration that `share` of the values (0 to 1) do not exceed; NaN where nothing was counted."""
        if not self.total:
            return float("nan")
        below = np.cumsum(self.counts)
        at = int(np.searchsorted(below, max(1.0, share * below[-1] - 1e-9)))
        return min(float(middle_of(self.buckets[at : at + 1])[0]), float(self.max_ns))
