"""Counts, sums, means, variances and shares of windows from exact integer lanes.

Every event is turned into a few integers ("lanes"): 1 if it has a value, the value as an integer, its square in three
32-bit limbs, flags. Integer addition has an inverse and no order, so a window is the difference of two prefix sums,
or a sum over a binary indexed tree, with the same bits; nothing is rounded before the last step.

Bounds: with fewer than 2**31 events and (events in a window) * (largest integer) < 2**63, which the caller checks, a
window's sum fits 64 bits and n*Q - S*S fits 127; prefix sums may wrap, their differences do not.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Flags, Floats, Integers, Matrix, Positions, Starts, Times

VALUE, SUM, SQUARE, NAN, PLUS_INF, MINUS_INF = 0, 1, 2, 5, 6, 7
FIXED_LANES = 8

_COUNT, _COUNT_NON_NULL, _SUM, _MEAN, _VAR, _STD = 0, 1, 2, 3, 4, 5
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_SIXTY_FOUR = np.uint64(64)


@kernel
def scale(values: Floats, valid: Flags, factor: float, scaled: Integers) -> tuple[int, int, float]:
    """Turn floats into integers, ties to even; null, NaN and Inf become 0.

    Args:
        values: float64[n].
        valid: bool[n], or bool[0] where nothing is null.
        factor: a power of two, steps per unit.
        scaled: int64[n], result.

    Returns:
        Number of NaN and infinite values, row of the first value that does not fit (or -1), largest magnitude.
    """
    special, bad, largest = 0, -1, 0.0
    for row in range(len(values)):
        scaled[row] = 0
        if len(valid) > 0 and not valid[row]:
            continue
        value = values[row]
        if not np.isfinite(value):
            special += 1
            continue
        step = np.rint(value * factor)
        if not abs(step) < 9223372036854775808.0:
            if bad < 0:
                bad = row
            continue
        scaled[row] = np.int64(step)
        largest = max(largest, abs(step))
    return special, bad, largest


@kernel
def fill_lanes(
    rows: Positions,
    scaled: Integers,
    valid: Flags,
    values: Floats,
    above: npt.NDArray[np.bool_],
    lane_of: Integers,
    lanes: npt.NDArray[np.int64],
) -> None:
    """Write each event's integers.

    Args:
        rows: int64[n_events], rows of the value column, in the groups' order.
        scaled: int64[n_rows], values as integers.
        valid: bool[n_rows], or bool[0] where nothing is null.
        values: float64[n_rows], or float64[0] where every value is finite.
        above: bool[n_thresholds, n_rows], whether a value is greater than each threshold.
        lane_of: int64[FIXED_LANES + n_thresholds], lane of each quantity, or -1 where it is not needed.
        lanes: int64[n_events + 1, n_lanes], result from row 1 on; row 0 is untouched.
    """
    for place in range(len(rows)):
        row = rows[place]
        lane = lanes[place + 1]
        lane[:] = 0
        if len(valid) > 0 and not valid[row]:
            continue
        if lane_of[VALUE] >= 0:
            lane[lane_of[VALUE]] = 1
        for threshold in range(len(above)):
            if above[threshold, row]:
                lane[lane_of[FIXED_LANES + threshold]] = 1
        if len(values) > 0 and not np.isfinite(values[row]):
            if np.isnan(values[row]):
                lane[lane_of[NAN]] = 1
            elif values[row] > 0:
                lane[lane_of[PLUS_INF]] = 1
            else:
                lane[lane_of[MINUS_INF]] = 1
            continue
        integer = scaled[row]
        if lane_of[SUM] >= 0:
            lane[lane_of[SUM]] = integer
        if lane_of[SQUARE] >= 0:
            high, low = _product(np.uint64(abs(integer)), np.uint64(abs(integer)))
            lane[lane_of[SQUARE]] = np.int64(low & _LOW)
            lane[lane_of[SQUARE] + 1] = np.int64(low >> _HALF)
            lane[lane_of[SQUARE] + 2] = np.int64(high)


@kernel
def accumulate(lanes: npt.NDArray[np.int64]) -> None:
    """Turn events' integers into prefix sums, in place; row 0 becomes 0. Sums wrap modulo 2**64."""
    lanes[0] = 0
    for place in range(1, len(lanes)):
        for lane in range(lanes.shape[1]):
            lanes[place, lane] += lanes[place - 1, lane]


@kernel
def write_prefix(
    lanes: npt.NDArray[np.int64],
    lane_of: Integers,
    first: Integers,
    last: Integers,
    rows: Positions,
    slots: npt.NDArray[np.int64],
    unit: float,
    out: Matrix,
) -> None:
    """Write the statistics of windows that are ranges of events.

    Args:
        lanes: int64[n_events + 1, n_lanes], prefix sums.
        lane_of: int64[FIXED_LANES + n_thresholds].
        first: int64[n_queries, n_widths], place of each window's first event.
        last: int64[n_queries], place after its last event.
        rows: int64[n_queries], rows of the matrix.
        slots: int64[n_widths, 6 + n_thresholds], the matrix's column of each statistic, or -1.
        unit: size of one step, a power of two.
        out: float32[n_rows, n_features], C-contiguous.
    """
    window = np.zeros(lanes.shape[1], dtype=np.int64)
    for place in range(len(rows)):
        end = last[place]
        for width in range(first.shape[1]):
            begin = first[place, width]
            for lane in range(lanes.shape[1]):
                window[lane] = lanes[end, lane] - lanes[begin, lane]
            _write(window, lane_of, end - begin, slots[width], unit, out[rows[place]])


@kernel
def write_tree(
    lanes: npt.NDArray[np.int64],
    lane_of: Integers,
    event_starts: Starts,
    activation: Positions,
    visible_at: Times,
    query_starts: Starts,
    query_time: Times,
    first: Integers,
    last: Integers,
    rows: Positions,
    slots: npt.NDArray[np.int64],
    unit: float,
    key_begin: int,
    key_end: int,
    out: Matrix,
) -> None:
    """Write the statistics of windows in which later events may be visible before earlier ones.

    A sweep over the queries of each key enters events into a binary indexed tree when they become visible.
    Complexity: O((events + queries * widths) * log(events of a key)).

    Args:
        lanes: int64[n_events + 1, n_lanes], each event's integers, its last lane 1, from row 1 on.
        lane_of: int64[FIXED_LANES + n_thresholds].
        event_starts: int64[n_keys + 1].
        activation: int64[n_events], places of the events of each key by (visible_at, place).
        visible_at: int64[n_events], by place.
        query_starts: int64[n_keys + 1].
        query_time: int64[n_queries].
        first: int64[n_queries, n_widths], place of each window's first event in time, for the queries from
            `query_starts[key_begin]` on; `last` and `rows` likewise.
        last: int64[n_queries], place after the last event in time.
        rows: int64[n_queries], rows of the matrix.
        slots: int64[n_widths, 6 + n_thresholds].
        unit: size of one step, a power of two.
        key_begin: first key.
        key_end: key after the last.
        out: float32[n_rows, n_features], C-contiguous.

    Reference: P. M. Fenwick, "A new data structure for cumulative frequency tables", 1994.
    """
    n_lanes = lanes.shape[1]
    window = np.zeros(n_lanes, dtype=np.int64)
    base = query_starts[key_begin]
    for key in range(key_begin, key_end):
        start, size = event_starts[key], event_starts[key + 1] - event_starts[key]
        tree = np.zeros((size + 1, n_lanes), dtype=np.int64)
        entered = start
        for query in range(query_starts[key], query_starts[key + 1]):
            while entered < start + size and visible_at[activation[entered]] <= query_time[query]:
                node = activation[entered] - start + 1
                while node <= size:
                    for lane in range(n_lanes):
                        tree[node, lane] += lanes[activation[entered] + 1, lane]
                    node += node & -node
                entered += 1
            for width in range(first.shape[1]):
                window[:] = 0
                node = last[query - base] - start
                while node > 0:
                    for lane in range(n_lanes):
                        window[lane] += tree[node, lane]
                    node -= node & -node
                node = first[query - base, width] - start
                while node > 0:
                    for lane in range(n_lanes):
                        window[lane] -= tree[node, lane]
                    node -= node & -node
                _write(window, lane_of, window[n_lanes - 1], slots[width], unit, out[rows[query - base]])


@kernel
def _write(
    window: Integers, lane_of: Integers, events: int, slots: Integers, unit: float, out: npt.NDArray[np.float32]
) -> None:
    count = window[lane_of[VALUE]] if lane_of[VALUE] >= 0 else events
    special = np.nan
    defined = count > 0
    if lane_of[NAN] >= 0:
        plus, minus = window[lane_of[PLUS_INF]], window[lane_of[MINUS_INF]]
        if window[lane_of[NAN]] > 0 or (plus > 0 and minus > 0):
            defined = False
        elif plus > 0 or minus > 0:
            defined = False
            special = np.inf if plus > 0 else -np.inf
    if slots[_COUNT] >= 0:
        out[slots[_COUNT]] = events
    if slots[_COUNT_NON_NULL] >= 0:
        out[slots[_COUNT_NON_NULL]] = count
    if lane_of[SUM] >= 0:
        total = np.float64(window[lane_of[SUM]])
        if slots[_SUM] >= 0:
            out[slots[_SUM]] = total * unit if defined else special
        if slots[_MEAN] >= 0:
            out[slots[_MEAN]] = total / count * unit if defined else special
    if lane_of[SQUARE] >= 0:
        variance = np.nan
        if defined and count > 1:
            variance = _variance(window, lane_of, count) * unit * unit
        if slots[_VAR] >= 0:
            out[slots[_VAR]] = variance
        if slots[_STD] >= 0:
            out[slots[_STD]] = np.sqrt(variance)
    for threshold in range(len(slots) - 6):
        if slots[6 + threshold] >= 0:
            share = np.nan
            if count > 0 and not (lane_of[NAN] >= 0 and window[lane_of[NAN]] > 0):
                share = window[lane_of[FIXED_LANES + threshold]] / count
            out[slots[6 + threshold]] = share


@kernel
def _variance(window: Integers, lane_of: Integers, count: int) -> float:
    lane = lane_of[SQUARE]
    # Q = l0 + l1 * 2**32 + l2 * 2**64, each limb a sum of up to 2**31 parts below 2**32 (l2: what is left)
    middle = np.uint64(window[lane + 1])
    low = np.uint64(window[lane]) + (middle << _HALF)
    carry = _ONE if low < np.uint64(window[lane]) else np.uint64(0)
    high = np.uint64(window[lane + 2]) + (middle >> _HALF) + carry
    n = np.uint64(count)
    product_high, product_low = _product(n, low)
    product_high += n * high
    size = np.uint64(abs(window[lane_of[SUM]]))
    square_high, square_low = _product(size, size)
    borrow = _ONE if product_low < square_low else np.uint64(0)
    numerator = _to_float(product_high - square_high - borrow, product_low - square_low)
    return numerator / (np.float64(count) * np.float64(count - 1))


@kernel
def _product(left: np.uint64, right: np.uint64) -> tuple[np.uint64, np.uint64]:
    left_low, left_high = left & _LOW, left >> _HALF
    right_low, right_high = right & _LOW, right >> _HALF
    low = left_low * right_low
    cross = left_high * right_low + (low >> _HALF)
    other = left_low * right_high + (cross & _LOW)
    high = left_high * right_high + (cross >> _HALF) + (other >> _HALF)
    return high, left * right


@kernel
def _to_float(high: np.uint64, low: np.uint64) -> float:
    """Nearest float64, ties to even, of high * 2**64 + low."""
    if high == np.uint64(0):
        return np.float64(low)
    power = 18446744073709551616.0
    for shift in (32, 16, 8, 4, 2, 1):
        step = np.uint64(shift)
        if high >> (_SIXTY_FOUR - step) == np.uint64(0):
            high = (high << step) | (low >> (_SIXTY_FOUR - step))
            low = low << step
            power /= 2.0**shift
    if low != np.uint64(0):
        high |= _ONE  # below the rounding position of a 64-bit integer: only says "a little more"
    return np.float64(high) * power
