"""Order the rows of a bucket by key and time: one radix sort of both in one number, skipped where nothing is to do.

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
    return _order(rows, codes, low, n_keys, np.zeros(0, dtype=np.int64))[0]


def group_events(rows: Rows, codes: Codes, low: int, n_keys: int, times: EventTimes) -> GroupedEvents:
    """Events by key, within a key in their total order; see the reference. Complexity: O(rows + keys)."""
    groups, time = _order(rows, codes, low, n_keys, times.time)
    if times.known is None and times.sequence is None:
        return GroupedEvents(groups, time, time + times.lag_us, ordered=True)
    visible = _visible(times, groups, time)
    sequence = _take(times.sequence, groups.rows) if times.sequence is not None else time[:0]
    if not _ties_are_ordered(groups.starts, time, visible, sequence):
        if times.sequence is not None:
            rows = _order_rows(rows, times.sequence)
        if times.known is not None:
            rows = _order_rows(rows, np.maximum(times.known + times.delay_us, times.time + times.lag_us))
        groups, time = _order(rows, codes, low, n_keys, times.time)
        visible = _visible(times, groups, time)
    return GroupedEvents(groups, time, visible, ordered=bool(_never_decreases(groups.starts, visible)))


def group_queries(rows: Rows, codes: Codes, low: int, n_keys: int, time: Times) -> GroupedQueries:
    """Queries by key, within a key by (time, row); see the reference. Complexity: O(rows + keys)."""
    groups, ordered = _order(rows, codes, low, n_keys, time)
    return GroupedQueries(groups, ordered)


def slice_queries(queries: GroupedQueries, begin: int, end: int) -> GroupedQueries:
    """The queries at the places [begin, end), with the same keys."""
    starts = np.clip(queries.groups.starts, begin, end) - begin
    return GroupedQueries(Groups(starts, queries.groups.rows[begin:end]), queries.time[begin:end])


def _order(rows: Rows, codes: Codes, low: int, n_keys: int, values: Times) -> tuple[Groups, Times]:
    """Rows by (key, value), and their values; without values, by key."""
    starts, grouped, ordered, done = _order_together(rows, codes, low, n_keys, values)
    if not done:  # key and value do not fit one number: first by one, then by the other
        rows = _order_rows(rows, values)
        starts, grouped, _, _ = _order_together(rows, codes, low, n_keys, values[:0])
        ordered = _take(values, grouped)
    return Groups(starts, grouped), ordered


def _order_rows(rows: Rows, values: Times) -> Rows:
    """Rows by ascending value; rows of equal value stay in the given order."""
    everybody = np.zeros(len(values), dtype=np.int32)
    ordered, done = _order_together(rows, everybody, 0, 1, values)[1::2]
    if not done:  # the values span more than 2**63
        ordered = rows[np.argsort(values[rows], kind="stable")]
    return ordered.astype(np.int32)


def _visible(times: EventTimes, groups: Groups, time: Times) -> Times:
    if times.known is None:
        return time + times.lag_us
    return np.maximum(_take(times.known, groups.rows) + times.delay_us, time + times.lag_us)


@kernel
def _order_together(
    rows: Rows, codes: Codes, low: int, n_keys: int, values: Times
) -> tuple[Starts, Positions, Times, bool]:
    """Sort rows by key and value, packed into one number: the key above, the value's distance from the smallest below.

    Two passes of a radix sort over the upper 22 bits leave little to do for a final insertion; where much is left (most
    values close together), the lower bits are sorted as well. Where values come in order, only keys are sorted.

    Returns:
        int64[n_keys + 1], int64[n] rows, int64[n] values, and False where key and value do not fit together.
    """
    n_rows = len(rows)
    starts = np.zeros(n_keys + 1, dtype=np.int64)
    grouped, ordered = np.empty(n_rows, dtype=np.int64), np.empty(n_rows if len(values) > 0 else 0, dtype=np.int64)
    if n_rows == 0:
        return starts, grouped, ordered, True
    keys, held, smallest, largest, in_order = np.empty(n_rows, dtype=np.uint64), rows.copy(), 0, 0, True
    if len(values) > 0:
        smallest = largest = previous = values[rows[0]]
        for place in range(n_rows):
            value = values[rows[place]]
            keys[place] = np.uint64(value)
            in_order &= value >= previous
            previous = value
            smallest, largest = min(smallest, value), max(largest, value)
    bits, key_bits = np.uint64(0), np.uint64(0)
    while np.uint64(largest - smallest) >> bits > np.uint64(0):
        bits += np.uint64(1)
    while np.uint64(n_keys - 1) >> key_bits > np.uint64(0):
        key_bits += np.uint64(1)
    if largest - smallest < 0 or bits + key_bits > np.uint64(63):
        return starts, grouped, ordered, False
    for place in range(n_rows):
        key = codes[rows[place]] - low
        starts[key + 1] += 1
        distance = keys[place] - np.uint64(smallest) if len(values) > 0 else np.uint64(0)
        keys[place] = np.uint64(key) << bits | distance
    for key in range(n_keys):
        starts[key + 1] += starts[key]
    total = bits + key_bits
    # digits below `shift` are left to the insertion
    shift = bits if in_order else total - min(total, np.uint64(2 * _DIGIT_BITS))
    if n_rows <= _SHORT:
        shift = total
    keys, held = _radix(keys, held, shift, total)
    if (not in_order or n_rows <= _SHORT) and not _insert(keys, held, n_rows * (8 if n_rows > _SHORT else _SHORT)):
        keys, held = _radix(keys, held, np.uint64(0), total)
    below = (np.uint64(1) << bits) - np.uint64(1)
    for place in range(n_rows):
        grouped[place] = held[place]
        if len(values) > 0:
            ordered[place] = np.int64(keys[place] & below) + smallest
    return starts, grouped, ordered, True


@kernel
def _radix(
    keys: npt.NDArray[np.uint64], held: Rows, shift: np.uint64, total: np.uint64
) -> tuple[npt.NDArray[np.uint64], Rows]:
    """Sort by the bits from `shift` up to `total`, 11 at a time."""
    other_keys, other_held = np.empty_like(keys), np.empty_like(held)
    mask, places = np.uint64(_DIGITS - 1), np.empty(_DIGITS, dtype=np.int64)
    while shift < total:
        places[:] = 0
        for place in range(len(keys)):
            places[(keys[place] >> shift) & mask] += 1
        before = 0
        for digit in range(_DIGITS):
            here = places[digit]
            places[digit] = before
            before += here
        for place in range(len(keys)):
            digit = (keys[place] >> shift) & mask
            other_keys[places[digit]], other_held[places[digit]] = keys[place], held[place]
            places[digit] += 1
        keys, other_keys = other_keys, keys
        held, other_held = other_held, held
        shift += np.uint64(_DIGIT_BITS)
    return keys, held


@kernel
def _insert(keys: npt.NDArray[np.uint64], held: Rows, budget: int) -> bool:
    """Sort what is nearly in order; gives up, half done and nothing lost, after `budget` moves."""
    for place in range(1, len(keys)):
        packed, row, hole = keys[place], held[place], place
        while hole > 0 and keys[hole - 1] > packed:
            keys[hole], held[hole] = keys[hole - 1], held[hole - 1]
            hole -= 1
        keys[hole], held[hole] = packed, row
        budget -= place - hole
        if budget < 0:
            return False
    return True


@kernel
def _take(values: Times, rows: Positions) -> Times:
    taken = np.empty(len(rows), dtype=np.int64)
    for place in range(len(rows)):
        taken[place] = values[rows[place]]
    return taken


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
