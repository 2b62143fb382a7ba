"""Group rows by key and order them in time: a radix sort, skipped where rows are in order, then a counting sort.

Every sort here is stable: rows that compare equal stay in the order they came in.
"""

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries, Groups
from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Codes, Positions, Starts, Times

_DIGIT_BITS = np.uint64(11)
_RADIX = 1 << 11
_DIGIT = np.uint64(_RADIX - 1)


def group_rows(codes: Codes, order: Positions, n_keys: int) -> Groups:
    """Rows by key, within a key in the given order; see the reference. Complexity: O(n + keys)."""
    starts, rows = _group_rows(codes, order, n_keys)
    return Groups(starts, rows)


def group_events(codes: Codes, time: Times, visible_at: Times, n_keys: int) -> GroupedEvents:
    """Events by key, within a key by (time, visible_at, position); see the reference. Complexity: O(n log n)."""
    return group_ordered_events(codes, time, visible_at, n_keys, order_events(time, visible_at))


def group_ordered_events(codes: Codes, time: Times, visible_at: Times, n_keys: int, order: Positions) -> GroupedEvents:
    """`group_events` for rows whose order is known: several keys of one table share one sort."""
    groups = group_rows(codes, order, n_keys)
    grouped_time, grouped_visible = time[groups.rows], visible_at[groups.rows]
    ordered = bool(_never_decreases(groups.starts, grouped_visible))
    return GroupedEvents(groups, grouped_time, grouped_visible, ordered)


def group_queries(codes: Codes, time: Times, n_keys: int) -> GroupedQueries:
    """Queries by key, within a key by (time, position); see the reference."""
    return group_ordered_queries(codes, time, n_keys, order_times(time))


def group_ordered_queries(codes: Codes, time: Times, n_keys: int, order: Positions) -> GroupedQueries:
    """`group_queries` for rows whose order is known; `order` may be a selection of rows."""
    groups = group_rows(codes, order, n_keys)
    return GroupedQueries(groups, time[groups.rows])


def order_times(time: Times) -> Positions:
    """Positions in ascending time, equal times in their order: int64[n]."""
    if bool(_never_decreases(np.array([0, len(time)]), time)):
        return np.arange(len(time), dtype=np.int64)
    with np.errstate(over="ignore"):
        return _radix_order(time, np.arange(len(time), dtype=np.int64))


def order_events(time: Times, visible_at: Times, by_time: Positions | None = None) -> Positions:
    """Positions by (time, visible_at, position): int64[n]; `by_time` is `order_times(time)` where it is known."""
    by_time = order_times(time) if by_time is None else by_time
    if bool(_ties_are_ordered(time[by_time], visible_at[by_time])):
        return by_time
    with np.errstate(over="ignore"):
        return _radix_order(time, order_times(visible_at))


@kernel
def _group_rows(codes: Codes, order: Positions, n_keys: int) -> tuple[Starts, Positions]:
    starts = np.zeros(n_keys + 1, dtype=np.int64)
    for rank in range(len(order)):
        if codes[order[rank]] >= 0:
            starts[codes[order[rank]] + 1] += 1
    for key in range(n_keys):
        starts[key + 1] += starts[key]
    place = starts[:-1].copy()
    rows = np.empty(starts[n_keys], dtype=np.int64)
    for rank in range(len(order)):
        row = order[rank]
        code = codes[row]
        if code >= 0:
            rows[place[code]] = row
            place[code] += 1
    return starts, rows


@kernel
def _radix_order(values: Times, order: Positions) -> Positions:
    """Positions in ascending value; equal values stay in the given order. Complexity: O(n * bits of the range / 11)."""
    keys = np.empty(len(order), dtype=np.uint64)
    low = values.min()
    for rank in range(len(order)):
        keys[rank] = np.uint64(values[order[rank]] - low)
    widest = keys.max()
    rows, other_rows, other_keys = order.copy(), np.empty_like(order), np.empty_like(keys)
    shift = np.uint64(0)
    while widest >> shift > np.uint64(0):
        place = np.zeros(_RADIX + 1, dtype=np.int64)
        for rank in range(len(keys)):
            place[np.int64((keys[rank] >> shift) & _DIGIT) + 1] += 1
        for digit in range(_RADIX):
            place[digit + 1] += place[digit]
        for rank in range(len(keys)):
            bucket = np.int64((keys[rank] >> shift) & _DIGIT)
            other_keys[place[bucket]] = keys[rank]
            other_rows[place[bucket]] = rows[rank]
            place[bucket] += 1
        rows, other_rows = other_rows, rows
        keys, other_keys = other_keys, keys
        shift += _DIGIT_BITS
    return rows


@kernel
def _never_decreases(starts: Starts, values: Times) -> bool:
    for key in range(len(starts) - 1):
        for place in range(starts[key] + 1, starts[key + 1]):
            if values[place] < values[place - 1]:
                return False
    return True


@kernel
def _ties_are_ordered(time: Times, visible_at: Times) -> bool:
    for row in range(1, len(time)):
        if time[row] == time[row - 1] and visible_at[row] < visible_at[row - 1]:
            return False
    return True
