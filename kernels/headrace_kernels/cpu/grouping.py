"""Order the rows of a bucket in time and group them by key: radix sorts, skipped where rows are in order.

Every sort here is stable: rows that compare equal stay in the order they came in.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import EventTimes, GroupedEvents, GroupedQueries, Groups
from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Codes, Positions, Starts, Times

_DIGIT_BITS = 11
_DIGITS = 1 << _DIGIT_BITS
_SHORT = 64

Rows = npt.NDArray[np.int32]


def group_rows(rows: Rows, codes: Codes, low: int, n_keys: int) -> Groups:
    """Rows by key, in the order they come; see the reference. Complexity: O(rows + keys)."""
    starts, grouped = _group_rows(rows, codes, low, n_keys)
    return Groups(starts, grouped)


def group_events(rows: Rows, codes: Codes, low: int, n_keys: int, times: EventTimes) -> GroupedEvents:
    """Events by key, within a key in their total order; see the reference. Complexity: O(rows + keys)."""
    groups = group_rows(_sort_rows(rows, times.time), codes, low, n_keys)
    time = _take(times.time, groups.rows)
    if times.known is None and times.sequence is None:
        return GroupedEvents(groups, time, time + times.lag_us, ordered=True)
    visible = _visible(times, groups, time)
    sequence = _take(times.sequence, groups.rows) if times.sequence is not None else time[:0]
    if not _ties_are_ordered(groups.starts, time, visible, sequence):
        if times.sequence is not None:
            rows = _sort_rows(rows, times.sequence)
        if times.known is not None:
            rows = _sort_rows(rows, np.maximum(times.known + times.delay_us, times.time + times.lag_us))
        groups = group_rows(_sort_rows(rows, times.time), codes, low, n_keys)
        time = _take(times.time, groups.rows)
        visible = _visible(times, groups, time)
    return GroupedEvents(groups, time, visible, ordered=bool(_never_decreases(groups.starts, visible)))


def group_queries(rows: Rows, codes: Codes, low: int, n_keys: int, time: Times) -> GroupedQueries:
    """Queries by key, within a key by (time, row); see the reference. Complexity: O(rows + keys)."""
    groups = group_rows(_sort_rows(rows, time), codes, low, n_keys)
    return GroupedQueries(groups, _take(time, groups.rows))


def slice_queries(queries: GroupedQueries, begin: int, end: int) -> GroupedQueries:
    """The queries at the places [begin, end), with the same keys."""
    starts = np.clip(queries.groups.starts, begin, end) - begin
    return GroupedQueries(Groups(starts, queries.groups.rows[begin:end]), queries.time[begin:end])


def _visible(times: EventTimes, groups: Groups, time: Times) -> Times:
    if times.known is None:
        return time + times.lag_us
    return np.maximum(_take(times.known, groups.rows) + times.delay_us, time + times.lag_us)


@kernel
def _group_rows(rows: npt.NDArray[np.int32], codes: Codes, low: int, n_keys: int) -> tuple[Starts, Positions]:
    starts = np.zeros(n_keys + 1, dtype=np.int64)
    for rank in range(len(rows)):
        starts[codes[rows[rank]] - low + 1] += 1
    for key in range(n_keys):
        starts[key + 1] += starts[key]
    place = starts[:-1].copy()
    grouped = np.empty(len(rows), dtype=np.int64)
    for rank in range(len(rows)):
        key = codes[rows[rank]] - low
        grouped[place[key]] = rows[rank]
        place[key] += 1
    return starts, grouped


@kernel
def _take(values: Times, rows: Positions) -> Times:
    taken = np.empty(len(rows), dtype=np.int64)
    for place in range(len(rows)):
        taken[place] = values[rows[place]]
    return taken


@kernel
def _sort_rows(rows: Rows, values: Times) -> Rows:
    """Rows by ascending value; rows of equal value stay in the given order. Complexity: O(n * bits of the range / 11)."""
    n_rows = len(rows)
    if n_rows == 0:
        return rows
    smallest = largest = previous = values[rows[0]]
    in_order = True
    for rank in range(n_rows):
        value = values[rows[rank]]
        in_order = in_order and value >= previous
        previous = value
        smallest, largest = min(smallest, value), max(largest, value)
    if in_order:
        return rows
    ordered, keys = rows.copy(), np.empty(n_rows, dtype=np.uint64)
    for rank in range(n_rows):
        keys[rank] = np.uint64(values[rows[rank]] - smallest)
    if n_rows <= _SHORT:
        for rank in range(1, n_rows):
            key, row, hole = keys[rank], ordered[rank], rank
            while hole > 0 and keys[hole - 1] > key:
                keys[hole], ordered[hole] = keys[hole - 1], ordered[hole - 1]
                hole -= 1
            keys[hole], ordered[hole] = key, row
        return ordered
    span = np.uint64(largest - smallest)
    passes = 0
    while passes < 6 and span >> np.uint64(_DIGIT_BITS * passes) > np.uint64(0):
        passes += 1
    counts = np.zeros((passes, _DIGITS), dtype=np.int32)
    digit_mask = np.uint64(_DIGITS - 1)
    for rank in range(n_rows):
        key = keys[rank]
        for digit in range(passes):
            counts[digit, (key >> np.uint64(_DIGIT_BITS * digit)) & digit_mask] += 1
    other_rows, other_keys = np.empty_like(ordered), np.empty_like(keys)
    for digit in range(passes):
        shift = np.uint64(_DIGIT_BITS * digit)
        before = 0
        for value in range(_DIGITS):
            here = counts[digit, value]
            counts[digit, value] = before
            before += here
        for rank in range(n_rows):
            key = keys[rank]
            place = counts[digit, (key >> shift) & digit_mask]
            counts[digit, (key >> shift) & digit_mask] += 1
            other_keys[place], other_rows[place] = key, ordered[rank]
        ordered, other_rows = other_rows, ordered
        keys, other_keys = other_keys, keys
    return ordered


@kernel
def _never_decreases(starts: Starts, values: Times) -> bool:
    for key in range(len(starts) - 1):
        for place in range(starts[key] + 1, starts[key + 1]):
            if values[place] < values[place - 1]:
                return False
    return True


@kernel
def _ties_are_ordered(starts: Starts, time: Times, visible: Times, sequence: Times) -> bool:
    for key in range(len(starts) - 1):
        for place in range(starts[key] + 1, starts[key + 1]):
            if time[place] != time[place - 1]:
                continue
            if visible[place] < visible[place - 1]:
                return False
            if visible[place] == visible[place - 1] and len(sequence) > 0 and sequence[place] < sequence[place - 1]:
                return False
    return True
