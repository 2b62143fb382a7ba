"""Order the rows of a bucket by key and time: one radix sort of both in one number, skipped where nothing is to do.

Every sort here is stable: rows that compare equal stay in the order they came in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import EventTimes, GroupedEvents, GroupedQueries, Groups
from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Codes, Positions, Starts, Times

_DIGIT_BITS = 11
_DIGITS = 1 << _DIGIT_BITS
_SHORT = 64

Rows = npt.NDArray[np.int32]
Ranks = npt.NDArray[np.int32]
_NO_TIMES: Times = np.zeros(0, dtype=np.int64)


def group_rows(rows: Rows, codes: Codes, low: int, n_keys: int) -> Groups:
    """Rows by key, in the order they come; see the reference. Complexity: O(rows + keys)."""
    starts, order, _ = _order(codes, low, n_keys, _NO_TIMES)
    return Groups(starts, _take_rows(rows, order))


def group_events(rows: Rows, codes: Codes, low: int, n_keys: int, times: EventTimes) -> GroupedEvents:
    """Events by key, within a key in their total order; see the reference. Complexity: O(rows + keys)."""
    starts, order, time = _order(codes, low, n_keys, times.time)
    if times.known is None and times.sequence is None:
        return GroupedEvents(Groups(starts, _take_rows(rows, order)), time, time + times.lag_us, ordered=True)
    seen = known = times.time + times.lag_us
    if times.known is not None:
        seen, known = np.maximum(seen, times.known + times.delay_us), times.known
    sequence = _take(times.sequence, order) if times.sequence is not None else _NO_TIMES
    if not _ties_are_ordered(starts, time, _take(known, order), sequence):
        starts, order, time = _order_fully(codes, low, n_keys, (times.sequence, known, times.time))
    visible = _take(seen, order)
    ordered = bool(_never_decreases(starts, visible))
    return GroupedEvents(Groups(starts, _take_rows(rows, order)), time, visible, ordered)


def group_queries(rows: Rows, codes: Codes, low: int, n_keys: int, time: Times) -> GroupedQueries:
    """Queries by key, within a key by time; see the reference. Complexity: O(rows + keys)."""
    starts, order, ordered = _order(codes, low, n_keys, time)
    return GroupedQueries(Groups(starts, _take_rows(rows, order)), ordered)


def slice_queries(queries: GroupedQueries, begin: int, end: int) -> GroupedQueries:
    """The queries at the places [begin, end), with the same keys."""
    starts = np.clip(queries.groups.starts, begin, end) - begin
    return GroupedQueries(Groups(starts, queries.groups.rows[begin:end]), queries.time[begin:end])


def _order(codes: Codes, low: int, n_keys: int, values: Times) -> tuple[Starts, Ranks, Times]:
    """Where keys begin, ranks by (key, value), and the values in that order; without values, by key."""
    starts, order, ordered, fits = _order_together(codes, low, n_keys, values)
    if not fits:
        return _order_fully(codes, low, n_keys, (values,))
    return starts, order, ordered


def _order_fully(codes: Codes, low: int, n_keys: int, values: Sequence[Times | None]) -> tuple[Starts, Ranks, Times]:
    """Ranks by key, then by several values, the last of which counts most."""
    ranks = np.arange(len(codes), dtype=np.int32)
    for each in values:
        if each is not None:
            ranks = ranks[np.argsort(each[ranks], kind="stable")]
    starts, order, _, _ = _order_together(codes[ranks], low, n_keys, _NO_TIMES)
    order = ranks[order]
    last = values[-1]
    assert last is not None
    return starts, order, _take(last, order)


@kernel
def _order_together(codes: Codes, low: int, n_keys: int, values: Times) -> tuple[Starts, Ranks, Times, bool]:
    """Ranks by key and value, packed into one number: the key above, the value's distance from the smallest below.

    Two passes of a radix sort over the upper 22 bits leave little to do for a final insertion; where much is left (most
    values close together), the lower bits are sorted as well. Where values come in order, only keys are sorted.

    Returns:
        int64[n_keys + 1], int32[n] ranks, int64[n] values, and False where key and value do not fit together.
    """
    n_rows = len(codes)
    starts, ordered = np.zeros(n_keys + 1, dtype=np.int64), np.empty(len(values), dtype=np.int64)
    keys, held, smallest, largest, in_order = (
        np.empty(n_rows, dtype=np.uint64),
        np.arange(n_rows, dtype=np.int32),
        0,
        0,
        True,
    )
    if n_rows == 0:
        return starts, held, ordered, True
    if len(values) > 0:
        smallest = largest = previous = values[0]
        for rank in range(n_rows):
            value = values[rank]
            in_order &= value >= previous
            previous = value
            smallest, largest = min(smallest, value), max(largest, value)
    bits, key_bits = np.uint64(0), np.uint64(0)
    while np.uint64(largest - smallest) >> bits > np.uint64(0):
        bits += np.uint64(1)
    while np.uint64(n_keys - 1) >> key_bits > np.uint64(0):
        key_bits += np.uint64(1)
    if largest - smallest < 0 or bits + key_bits > np.uint64(63):
        return starts, held, ordered, False
    for rank in range(n_rows):
        key = codes[rank] - low
        starts[key + 1] += 1
        distance = np.uint64(values[rank] - smallest) if len(values) > 0 else np.uint64(0)
        keys[rank] = np.uint64(key) << bits | distance
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
    for place in range(len(values)):
        ordered[place] = np.int64(keys[place] & below) + smallest
    return starts, held, ordered, True


@kernel
def _radix(
    keys: npt.NDArray[np.uint64], held: Ranks, shift: np.uint64, total: np.uint64
) -> tuple[npt.NDArray[np.uint64], Ranks]:
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
def _insert(keys: npt.NDArray[np.uint64], held: Ranks, budget: int) -> bool:
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
def _take(values: Times, order: Ranks) -> Times:
    taken = np.empty(len(order), dtype=np.int64)
    for place in range(len(order)):
        taken[place] = values[order[place]]
    return taken


@kernel
def _take_rows(rows: Rows, order: Ranks) -> Positions:
    taken = np.empty(len(order), dtype=np.int64)
    for place in range(len(order)):
        taken[place] = rows[order[place]]
    return taken


@kernel
def _never_decreases(starts: Starts, values: Times) -> bool:
    for key in range(len(starts) - 1):
        for place in range(starts[key] + 1, starts[key + 1]):
            if values[place] < values[place - 1]:
                return False
    return True


@kernel
def _ties_are_ordered(starts: Starts, time: Times, known: Times, sequence: Times) -> bool:
    for key in range(len(starts) - 1):
        for place in range(starts[key] + 1, starts[key + 1]):
            if time[place] != time[place - 1]:
                continue
            if known[place] < known[place - 1]:
                return False
            if known[place] == known[place - 1] and len(sequence) > 0 and sequence[place] < sequence[place - 1]:
                return False
    return True
