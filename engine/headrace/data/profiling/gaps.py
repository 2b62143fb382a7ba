"""Where a time column has holes: the longest stretches without any row, in one pass, whatever the order of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace_kernels.dtypes import Times

SPANS = 1_024
_FAR = 2**62 - 1  # differences of two times within this fit into 64 bits


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without a row: `start_us` and `end_us` are times of rows, none lies between them."""

    start_us: int
    end_us: int

    @property
    def length_us(self) -> int:
        """Microseconds from one row to the next."""
        return self.end_us - self.start_us


class Coverage:
    """At most SPANS spans of time that hold all rows, apart by the longest gaps.

    Further rows can only shorten a gap. So a gap longer than `closed_us`, the longest one that was ever given up for
    want of room, is exactly what it is, in any order of rows and of merges; shorter ones may be missing.

    Invariants: spans ascend and do not touch.
    """

    def __init__(self) -> None:
        self._starts: Times = np.zeros(0, dtype=np.int64)
        self._ends: Times = np.zeros(0, dtype=np.int64)
        self.closed_us = 0

    def add(self, times: Times) -> None:
        """Add times: int64[n], microseconds, ascending strictly."""
        if not len(times):
            return
        near = np.clip(times, -_FAR, _FAR)
        cuts = np.flatnonzero(np.diff(near) > self.closed_us)
        self._join(near[np.concatenate(([0], cuts + 1))], near[np.concatenate((cuts, [len(near) - 1]))])

    def merge(self, other: Coverage) -> None:
        """Add the other's rows."""
        self.closed_us = max(self.closed_us, other.closed_us)
        if len(other._starts):
            self._join(other._starts, other._ends)

    def longest(self, number: int) -> list[Gap]:
        """The longest gaps, longest first, of those that are exactly known."""
        lengths = self._starts[1:] - self._ends[:-1]
        order = np.lexsort((self._ends[:-1], -lengths))[:number]
        gaps = (Gap(int(self._ends[place]), int(self._starts[place + 1])) for place in order)
        return [gap for gap in gaps if gap.length_us > self.closed_us]

    def _join(self, starts: Times, ends: Times) -> None:
        starts, ends = np.concatenate((self._starts, starts)), np.concatenate((self._ends, ends))
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], np.maximum.accumulate(ends[order])
        lengths = starts[1:] - ends[:-1]
        least = self.closed_us
        if len(lengths) >= SPANS:
            place = len(lengths) - SPANS
            least = max(least, int(np.partition(lengths, place)[place]))
        open_ = lengths > max(least, 0)
        shut = lengths[~open_]
        self.closed_us = max(self.closed_us, int(shut.max(initial=0)))
        cuts = np.flatnonzero(open_)
        self._starts = starts[np.concatenate(([0], cuts + 1))]
        self._ends = ends[np.concatenate((cuts, [len(ends) - 1]))]
