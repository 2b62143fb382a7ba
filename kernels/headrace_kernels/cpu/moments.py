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

from headrace_kernels.cpu.jit import inlined, kernel
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
        lanes: int64[n_events + 1, n_lanes], zeros; result from row 1 on.
    """
    counted, summed, square = lane_of[VALUE], lane_of[SUM], lane_of[SQUARE]
    for place in range(1, len(rows) + 1):
        row = rows[place - 1]
        if len(valid) > 0 and not valid[row]:
            continue
        if counted >= 0:
            lanes[place, counted] = 1
        for threshold in range(len(above)):
            if above[threshold, row]:
                lanes[place, lane_of[FIXED_LANES + threshold]] = 1
        if len(values) > 0 and not np.isfinite(values[row]):
            if np.isnan(values[row]):
                lanes[place, lane_of[NAN]] = 1
            elif values[row] > 0:
                lanes[place, lane_of[PLUS_INF]] = 1
            else:
                lanes[place, lane_of[MINUS_INF]] = 1
            continue
        if summed >= 0:
            lanes[place, summed] = scaled[row]
        if square >= 0:
            size = np.uint64(abs(scaled[row]))
            high, low = _product(size, size)
            lanes[place, square] = np.int64(low & _LOW)
            lanes[place, square + 1] = np.int64(low >> _HALF)
            lanes[place, square + 2] = np.int64(high)


@kernel
def accumulate(lanes: npt.NDArray[np.int64]) -> None:
    """Turn events' integers into prefix sums, in place; row 0 is 0. Sums wrap modulo 2**64."""
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
    for place in range(len(rows)):
        end = last[place]
        for width in range(first.shape[1]):
            begin = first[place, width]
            _write(lanes, lane_of, begin, end, end - begin, slots, width, unit, out, rows[place])


@kernel
def write_tree(
    lanes: npt.NDArray[np.int64],
    lane_of: Integers,
    activation: Positions,
    visible_at: Times,
    event_starts: Starts,
    query_starts: Starts,
    query_time: Times,
    first: Integers,
    last: Integers,
    rows: Positions,
    slots: npt.NDArray[np.int64],
    unit: float,
    out: Matrix,
) -> None:
    """Write the statistics of windows in which later events may be visible before earlier ones.

    A sweep over the queries of each key enters events into a binary indexed tree when they become visible; the tree
    spans what the key's queries can reach. Complexity: O(events + (reached + queries * widths) * log(reached)).

    Args:
        lanes: int64[n_events + 1, n_lanes], each event's integers, its last lane 1, from row 1 on.
        lane_of: int64[FIXED_LANES + n_thresholds].
        activation: int64[n_events], places of the events of each key by (visible_at, place).
        visible_at: int64[n_events], by place.
        event_starts: int64[n_keys + 1].
        query_starts: int64[n_keys + 1].
        query_time: int64[n_queries].
        first: int64[n_queries, n_widths], place of each window's first event in time.
        last: int64[n_queries], place after the last event in time.
        rows: int64[n_queries], rows of the matrix.
        slots: int64[n_widths, 6 + n_thresholds].
        unit: size of one step, a power of two.
        out: float32[n_rows, n_features], C-contiguous.

    Reference: P. M. Fenwick, "A new data structure for cumulative frequency tables", 1994.
    """
    n_lanes = lanes.shape[1]
    window = np.zeros((2, n_lanes), dtype=np.int64)  # row 0 stays 0: the window is row 1 minus row 0
    for key in range(len(query_starts) - 1):
        if query_starts[key] == query_starts[key + 1]:
            continue
        low, high = first[query_starts[key]].min(), last[query_starts[key + 1] - 1]
        size = high - low
        tree = np.zeros((size + 1, n_lanes), dtype=np.int64)
        entered = event_starts[key]
        for query in range(query_starts[key], query_starts[key + 1]):
            while entered < event_starts[key + 1] and visible_at[activation[entered]] <= query_time[query]:
                event = activation[entered]
                entered += 1
                if event < low or event >= high:
                    continue
                node = event - low + 1
                while node <= size:
                    for lane in range(n_lanes):
                        tree[node, lane] += lanes[event + 1, lane]
                    node += node & -node
            for width in range(first.shape[1]):
                window[1] = 0
                node = last[query] - low
                while node > 0:
                    for lane in range(n_lanes):
                        window[1, lane] += tree[node, lane]
                    node -= node & -node
                node = first[query, width] - low
                while node > 0:
                    for lane in range(n_lanes):
                        window[1, lane] -= tree[node, lane]
                    node -= node & -node
                _write(window, lane_of, 0, 1, window[1, n_lanes - 1], slots, width, unit, out, rows[query])


@inlined
def _write(
    lanes: npt.NDArray[np.int64],
    lane_of: Integers,
    begin: int,
    end: int,
    events: int,
    slots: npt.NDArray[np.int64],
    width: int,
    unit: float,
    out: Matrix,
    row: int,
) -> None:
    """Write one window's statistics; its integers are row `end` of the lanes minus row `begin`."""
    count = events
    if lane_of[VALUE] >= 0:
        count = lanes[end, lane_of[VALUE]] - lanes[begin, lane_of[VALUE]]
    defined, has_nan, special = count > 0, False, np.nan
    if lane_of[NAN] >= 0:
        has_nan = lanes[end, lane_of[NAN]] > lanes[begin, lane_of[NAN]]
        plus = lanes[end, lane_of[PLUS_INF]] > lanes[begin, lane_of[PLUS_INF]]
        minus = lanes[end, lane_of[MINUS_INF]] > lanes[begin, lane_of[MINUS_INF]]
        defined = defined and not (has_nan or plus or minus)
        if plus != minus and not has_nan:
            special = np.inf if plus else -np.inf
    if slots[width, _COUNT] >= 0:
        out[row, slots[width, _COUNT]] = events
    if slots[width, _COUNT_NON_NULL] >= 0:
        out[row, slots[width, _COUNT_NON_NULL]] = count
    if lane_of[SUM] >= 0:
        total = lanes[end, lane_of[SUM]] - lanes[begin, lane_of[SUM]]
        if slots[width, _SUM] >= 0:
            out[row, slots[width, _SUM]] = np.float64(total) * unit if defined else special
        if slots[width, _MEAN] >= 0:
            out[row, slots[width, _MEAN]] = np.float64(total) / count * unit if defined else special
        if lane_of[SQUARE] >= 0:
            variance = np.nan
            if defined and count > 1:
                lane = lane_of[SQUARE]
                variance = unit * unit * _variance(
                    count, total,
                    lanes[end, lane] - lanes[begin, lane],
                    lanes[end, lane + 1] - lanes[begin, lane + 1],
                    lanes[end, lane + 2] - lanes[begin, lane + 2],
                )  # fmt: skip
            if slots[width, _VAR] >= 0:
                out[row, slots[width, _VAR]] = variance
            if slots[width, _STD] >= 0:
                out[row, slots[width, _STD]] = np.sqrt(variance)
    for threshold in range(slots.shape[1] - 6):
        if slots[width, 6 + threshold] >= 0:
            lane = lane_of[FIXED_LANES + threshold]
            share = np.nan
            if count > 0 and not has_nan:
                share = (lanes[end, lane] - lanes[begin, lane]) / count
            out[row, slots[width, 6 + threshold]] = share


@inlined
def _variance(count: int, total: int, limb0: int, limb1: int, limb2: int) -> float:
    # Q = limb0 + limb1 * 2**32 + limb2 * 2**64; limbs 0 and 1 are sums of up to 2**31 parts below 2**32
    low = np.uint64(limb0) + (np.uint64(limb1) << _HALF)
    carry = _ONE if low < np.uint64(limb0) else np.uint64(0)
    high = np.uint64(limb2) + (np.uint64(limb1) >> _HALF) + carry
    n = np.uint64(count)
    product_high, product_low = _product(n, low)
    product_high += n * high
    size = np.uint64(abs(total))
    square_high, square_low = _product(size, size)
    borrow = _ONE if product_low < square_low else np.uint64(0)
    numerator = _to_float(product_high - square_high - borrow, product_low - square_low)
    return numerator / (np.float64(count) * np.float64(count - 1))


@inlined
def _product(left: np.uint64, right: np.uint64) -> tuple[np.uint64, np.uint64]:
    left_low, left_high = left & _LOW, left >> _HALF
    right_low, right_high = right & _LOW, right >> _HALF
    low = left_low * right_low
    cross = left_high * right_low + (low >> _HALF)
    other = left_low * right_high + (cross & _LOW)
    high = left_high * right_high + (cross >> _HALF) + (other >> _HALF)
    return high, left * right


@inlined
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
