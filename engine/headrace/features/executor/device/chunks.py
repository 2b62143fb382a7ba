"""Chunks of keys that fit a device, and the tables' rows of one chunk there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Groups
from headrace_kernels.cpu import partitions
from headrace_kernels.cpu import rows as cpu_rows
from headrace_kernels.cpu.partitions import Buckets, ForEach
from headrace_kernels.cuda import device, rows
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.dtypes import Codes


@dataclass(frozen=True)
class Chunk:
    """A stretch of neighbouring keys and the rows of two tables that have them.

    Attributes:
        low: first key.
        n_keys: number of keys.
        events: rows of the events' table, int32[n]; None for all of it.
        event_codes: int32[n], their keys, or -1.
        asking: rows of the spine, int32[n]; None for all of it.
        asking_codes: int32[n], their keys, or -1.
    """

    low: int
    n_keys: int
    events: npt.NDArray[np.int32] | None
    event_codes: Codes
    asking: npt.NDArray[np.int32] | None
    asking_codes: Codes


def cut_into_chunks(events: Codes, asking: Codes, n_keys: int, most_rows: int, for_each: ForEach) -> list[Chunk]:
    """Cut two tables alike into chunks of at most so many rows, of both together; a key is never cut.

    Args:
        events: int32[n_events], key of each row, or -1.
        asking: int32[n_asking], the same of the rows that ask.
        n_keys: number of keys.
        most_rows: rows of a chunk; a key with more is a chunk of its own.
        for_each: runs pieces of work on threads.
    """
    if len(events) + len(asking) <= most_rows or n_keys <= 1:
        return [Chunk(0, n_keys, None, events, None, asking)]
    counts = partitions.count_rows(events, n_keys, for_each)
    asked = partitions.count_rows(asking, n_keys, for_each)
    layout = partitions.lay_out([counts, asked], n_keys, most_rows)
    left, _ = partitions.cut_rows(events, counts, layout, [], for_each)
    right, _ = partitions.cut_rows(asking, asked, layout, [], for_each)
    lows = layout.lows
    return [
        Chunk(int(lows[number]), int(lows[number + 1] - lows[number]), *_of(left, number), *_of(right, number))
        for number in range(layout.n_buckets)
    ]


def _of(buckets: Buckets, number: int) -> tuple[npt.NDArray[np.int32], Codes]:
    here = buckets.of(number)
    return buckets.rows[here], buckets.codes[here]


class ChunkTable:
    """A table's rows of one chunk on the current device: each array goes up once, when it is first asked for.

    Positions on the device count from the chunk's first row.
    """

    def __init__(self, rows: npt.NDArray[np.int32] | None, codes: Codes) -> None:
        """Take the rows that the chunk holds (None: all of them) and their keys."""
        self._rows = rows
        self._codes = codes
        self._held: dict[int, tuple[Any, DeviceArray]] = {}

    def __len__(self) -> int:
        return len(self._codes)

    @cached_property
    def codes(self) -> DeviceArray:
        """Key of each row: int32[n]."""
        return device.put(self._codes)

    @cached_property
    def _places(self) -> DeviceArray:
        """Row in the table of each of the chunk's: int64[n]."""
        assert self._rows is not None
        return device.put(self._rows.astype(np.int64))

    def table_rows(self, groups: Groups) -> Groups:
        """The same groups, whose rows count in the whole table instead of in the chunk."""
        if self._rows is None:
            return groups
        taken = device.empty(len(groups.rows), np.int64)
        rows.take_rows(self._places, groups.rows, taken)
        return Groups(groups.starts, taken)

    def column(self, values: npt.NDArray[Any] | None) -> DeviceArray | None:
        """A column of the table for the chunk's rows; None stays None."""
        if values is None:
            return None
        if id(values) not in self._held:  # the array is held too, so that its identity stays its own
            self._held[id(values)] = values, device.put(self._taken(values))
        return self._held[id(values)][1]

    def forget(self) -> None:
        """Let go of the columns."""
        self._held.clear()

    def _taken(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._rows is None:
            return values
        taken = np.empty(len(self._rows), values.dtype)
        cpu_rows.take_rows(values, self._rows.astype(np.int64), taken)
        return taken
