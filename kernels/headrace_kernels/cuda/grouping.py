"""Order rows by key and time on the device: one radix sort of both in one number, skipped where nothing is to do.

Every sort is stable, and only over the bits that are needed: those of the key alone where times come in order, and none
that all times share below (whole seconds save 6). For n rows: 8 bytes a row to find how far times reach, 20 to pack, 32
for each 8 bits sorted (radix.py), 28 to 56 to write rows and times in order, the more the further rows move. Working
memory: 24 bytes a row beside what comes back. At most 2^31 - 1 rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace_kernels.arrays import EventTimes, GroupedEvents, GroupedQueries, Groups
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.radix import sort_pairs
from headrace_kernels.cuda.source import Source

SOURCE = Source("grouping")
_MOST_BITS = 63
_MOST_BLOCKS = 1056
_ITEMS_A_BLOCK = 2048
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class _Keys:
    """How rows are called in a group of keys: int32[n] codes in [low, low + n_keys)."""

    codes: DeviceArray
    low: int
    n_keys: int

    @property
    def bits(self) -> int:
        return max(self.n_keys - 1, 0).bit_length()


@dataclass(frozen=True)
class _Span:
    """How far some values reach.

    Attributes:
        smallest: of them.
        bits: of the distance from the smallest to the largest.
        shared: how many of the lowest bits are the same in all.
        falls: whether one is smaller than the one before.
    """

    smallest: int
    bits: int
    shared: int
    falls: bool


@dataclass(frozen=True)
class _Order:
    """Rows in order.

    Attributes:
        keys: uint64[n], key << bits | time - smallest, sorted.
        bits: of a time's distance from the smallest.
        smallest: time.
        values: int64[n], times by rank, where they did not fit beside the key; else None.
        ranks: int32[n], which row stands at a place; None where each stands at its own.
    """

    keys: DeviceArray
    bits: int
    smallest: int
    values: DeviceArray | None
    ranks: DeviceArray | None

    def starts(self, n_keys: int) -> DeviceArray:
        """Where each key begins: int64[n_keys + 1]."""
        starts = device.empty(n_keys + 1, np.int64)
        SOURCE.launch("key_starts", n_keys + 1, self.keys, len(self.keys), self.bits, n_keys, starts)
        return starts

    def groups(self, rows: DeviceArray, n_keys: int) -> Groups:
        """The rows in order, by key."""
        placed = device.empty(len(rows), np.int64)
        SOURCE.launch("place_rows", len(rows), rows, self.ranks, len(rows), placed)
        return Groups(self.starts(n_keys), placed)

    def times(self) -> DeviceArray:
        """The times in order: int64[n]."""
        time = device.empty(len(self.keys), np.int64)
        SOURCE.launch("place_times", len(time), *self._times(), len(time), time)
        return time

    def events(self, times: EventTimes) -> tuple[DeviceArray, DeviceArray, bool, bool]:
        """Times and visibility in order, whether ties are ordered as well, and whether visibility is."""
        count = len(self.keys)
        time, visible = device.empty(count, np.int64), device.empty(count, np.int64)
        flags = device.zeros(2, np.uint32)
        _launch(
            "place_events", count, *self._times(), times.known, times.sequence, times.lag_us, times.delay_us, count,
            time, visible, flags,
        )  # fmt: skip
        if times.known is None and times.sequence is None:
            return time, visible, True, True
        ties_fall, visible_falls = device.get(flags)
        return time, visible, not ties_fall, not visible_falls

    def _times(self) -> tuple[DeviceArray | int | None, ...]:
        return self.keys, self.bits, self.smallest, self.values, self.ranks


def group_rows(rows: DeviceArray, codes: DeviceArray, low: int, n_keys: int) -> Groups:
    """Rows by key, in the order they come; see the reference. Complexity: O(rows * key bits + keys * log(rows))."""
    return _sort_by_key(_Keys(codes, low, n_keys)).groups(rows, n_keys)


def group_events(rows: DeviceArray, codes: DeviceArray, low: int, n_keys: int, times: EventTimes) -> GroupedEvents:
    """Events by key, within a key in their total order; see the reference.

    Complexity: O(rows * bits + keys * log(rows)); three sorts where events of a key and a time came in another order
    than (known, sequence).
    """
    keys = _Keys(codes, low, n_keys)
    order = _sort_by_time(keys, times.time)
    time, visible, ties_are_ordered, ordered = order.events(times)
    if not ties_are_ordered:
        order = _sort_by_time(keys, times.time, _rank_by((times.sequence, times.known)))
        time, visible, _, ordered = order.events(times)
    return GroupedEvents(order.groups(rows, n_keys), time, visible, ordered)


def group_queries(rows: DeviceArray, codes: DeviceArray, low: int, n_keys: int, time: DeviceArray) -> GroupedQueries:
    """Queries by key, within a key by time; see the reference.

    Complexity: O(rows * bits + keys * log(rows)).
    """
    order = _sort_by_time(_Keys(codes, low, n_keys), time)
    return GroupedQueries(order.groups(rows, n_keys), order.times())


def ask_at_events(events: GroupedEvents, offset_us: int) -> GroupedQueries:
    """The events as queries, each so much later than it happened: nothing is sorted. Complexity: O(events)."""
    time = device.empty(len(events.time), np.int64)
    SOURCE.launch("shift_times", len(time), events.time, len(time), offset_us, time)
    return GroupedQueries(events.groups, time)


def _sort_by_key(keys: _Keys, ranks: DeviceArray | None = None, values: DeviceArray | None = None) -> _Order:
    """Stable by key alone; `values` are the times by rank, to be looked up."""
    packed, falls = _pack(keys, None, 0, 0, ranks)
    if falls:
        packed, ranks = sort_pairs(packed, ranks, 0, keys.bits)
    return _Order(packed, 0, 0, values, ranks)


def _sort_by_time(keys: _Keys, time: DeviceArray, ranks: DeviceArray | None = None) -> _Order:
    """By key and time; of equal ones in the order of the ranks."""
    span = _find_span(time)
    if span.bits + keys.bits > _MOST_BITS:
        return _sort_by_key(keys, _rank_by((time,), ranks), time)
    packed, unsorted = _pack(keys, time, span.smallest, span.bits, ranks)
    if unsorted:
        in_order = ranks is None and not span.falls
        packed, ranks = sort_pairs(packed, ranks, span.bits if in_order else span.shared, span.bits + keys.bits)
    return _Order(packed, span.bits, span.smallest, None, ranks)


def _rank_by(columns: Sequence[DeviceArray | None], ranks: DeviceArray | None = None) -> DeviceArray | None:
    """Ranks by several columns, the last of which counts most: int32[n]."""
    for column in columns:
        if column is None:
            continue
        span = _find_span(column)
        packed, unsorted = _pack(None, column, span.smallest, 64, ranks)
        if unsorted:
            _, ranks = sort_pairs(packed, ranks, span.shared, span.bits)
    return ranks


def _find_span(values: DeviceArray) -> _Span:
    if not len(values):
        return _Span(0, 0, 0, falls=False)
    found = device.put(np.array([_INT64.max, _INT64.min, 0, 0], dtype=np.int64))
    _launch("span_values", len(values), values, len(values), found)
    smallest, largest, falls, differs = map(int, device.get(found))
    shared = (differs & -differs).bit_length() - 1 if differs else 0
    return _Span(smallest, (largest - smallest).bit_length(), shared, falls=bool(falls))


def _pack(
    keys: _Keys | None, values: DeviceArray | None, smallest: int, bits: int, ranks: DeviceArray | None
) -> tuple[DeviceArray, bool]:
    """Keys and values in one number, and whether they are still to be sorted."""
    codes, low = (keys.codes, keys.low) if keys is not None else (None, 0)
    count = len(codes if codes is not None else values)  # type: ignore[arg-type]  # one of them is there
    packed, falls = device.empty(count, np.uint64), device.zeros(1, np.uint32)
    _launch("pack_keys", count, codes, low, values, smallest, bits, ranks, count, packed, falls)
    return packed, bool(device.get(falls)[0])


def _launch(kernel: str, count: int, *arguments: DeviceArray | int | None) -> None:
    """Run a kernel that goes through items with a grid of any size."""
    SOURCE.launch_blocks(kernel, min(-(-count // _ITEMS_A_BLOCK), _MOST_BLOCKS), *arguments)
