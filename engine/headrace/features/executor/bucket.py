"""The rows of one bucket, before they are ordered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from headrace_kernels.arrays import EventTimes, GroupedEvents
from headrace_kernels.cpu import grouping
from headrace_kernels.cpu.partitions import Rows
from headrace_kernels.dtypes import Codes, Flags, Times


@dataclass(frozen=True)
class BucketRows:
    """Some rows of a table whose keys lie in one bucket.

    Attributes:
        rows: int32[n].
        codes: int32[n], their keys.
        low: the bucket's first key.
        n_keys: number of its keys.
    """

    rows: Rows
    codes: Codes
    low: int
    n_keys: int

    @staticmethod
    def nobody() -> BucketRows:
        """A bucket of one key without rows."""
        return BucketRows(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32), 0, 1)

    def events(self, times: EventTimes, time: Times, kept: Flags | None) -> GroupedEvents:
        """Order the rows as events.

        Args:
            times: when the table's rows happened and became known.
            time: int64[n], `times.time` of these rows.
            kept: bool[n_rows], rows of the table that take part; None for all.
        """
        rows, codes = self.rows, self.codes
        if kept is not None:
            mine = kept[rows]
            rows, codes, time = rows[mine], codes[mine], time[mine]
        known = times.known[rows] if times.known is not None else None
        sequence = times.sequence[rows] if times.sequence is not None else None
        here = replace(times, time=time, known=known, sequence=sequence)
        return grouping.group_events(rows, codes, self.low, self.n_keys, here)
