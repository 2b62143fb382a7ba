"""Counts, sums, means, variances and shares of windows from exact integer sums.

Every value becomes an integer once (a multiple of its column's resolution). Prefix sums of the integers in 64 bits and
of their squares in 128 give the sums of any range by one subtraction; where a window is no range, events enter and
leave it one by one. Integer addition has an inverse and no order, so both give the same bits, and nothing is rounded
before the last step.

Bounds: with (events in a window) * (largest integer) < 2**63, which the door checks, a window's sum fits 64 bits and
n*Q - S*S fits 127; prefix sums may wrap, their differences do not.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headrace_kernels.arrays import Statistic, StatisticRequest, WindowFrames
from headrace_kernels.cpu.jit import inlined, kernel, leading_zeros, multiply_high, wrapping
from headrace_kernels.cpu.summed_columns import Marks, SummedColumn, Unsigned
from headrace_kernels.dtypes import Floats, Integers, Positions
from headrace_kernels.slots import slot_tables

_SUMS = (Statistic.SUM, Statistic.MEAN)
_VARIANCES = (Statistic.VAR, Statistic.STD)
_ALL = (Statistic.COUNT, Statistic.COUNT_NON_NULL, *_SUMS, *_VARIANCES)
_SUMMED = frozenset({*_SUMS, *_VARIANCES})
_NOTHING: Integers = np.zeros(0, dtype=np.int64)
_NO_SUMS = (_NOTHING, _NOTHING.view(np.uint64), _NOTHING.view(np.uint64))
_POWERS = np.array([2.0 ** (64 - shift) for shift in range(65)])


def aggregate_moments(
    frames: WindowFrames, column: SummedColumn | None, requests: Sequence[StatisticRequest], out: Floats
) -> None:
    """Write counts, sums, means, variances, deviations and shares; see the reference.

    Complexity: O(events + queries).

    Raises:
        ExactRangeError: a value, or (events in a window) * (largest magnitude), leaves the exact range.
    """
    with wrapping():
        if column is not None and _is_plain(frames, column, requests):
            _aggregate_plain(frames, column, tuple(requests), out)
        else:
            _aggregate_all(frames, column, tuple(requests), out)


def _is_plain(frames: WindowFrames, column: SummedColumn, requests: Sequence[StatisticRequest]) -> bool:
    """Whether windows are ranges of finite values and everything is a sum: the case that is worth a loop of its own."""
    ranges = frames.events.ordered and not len(frames.extra) and not len(column.kinds)
    return ranges and all(request.statistic != Statistic.SHARE for request in requests)


def _aggregate_plain(
    frames: WindowFrames, column: SummedColumn, requests: tuple[StatisticRequest, ...], out: Floats
) -> None:
    sums, low, high = _NO_SUMS
    if any(request.statistic in _SUMMED for request in requests):
        column.scaled.check_sums(frames)
        sums, low, high = column.sums
    unit = 2.0**-column.column.bits
    for slots, empty in slot_tables(requests, _ALL):
        _write_plain(frames.first, frames.last, sums, low, high, unit, slots, empty, out)


def _aggregate_all(
    frames: WindowFrames, column: SummedColumn | None, requests: tuple[StatisticRequest, ...], out: Floats
) -> None:
    events = _count_events(frames)
    values, marks = events, np.zeros((3, 0), dtype=np.int64)
    if column is not None and len(column.kinds):
        values = _gain(frames, column.marks[0])
        marks = np.stack([_gain(frames, column.marks[kind]) for kind in (1, 2, 3)])
    for row, request in enumerate(requests):
        if request.statistic == Statistic.COUNT:
            out[row] = events
        elif request.statistic == Statistic.COUNT_NON_NULL:
            out[row] = values
        elif request.statistic == Statistic.SHARE and column is not None:
            _write_share(values, marks, _gain(frames, column.above(request.parameter)), request.empty, out[row])
    if column is not None and any(request.statistic in _SUMMED for request in requests):
        _aggregate_sums(frames, column, (values, marks), requests, out)


def _aggregate_sums(
    frames: WindowFrames,
    column: SummedColumn,
    counted: tuple[Integers, Marks],
    requests: tuple[StatisticRequest, ...],
    out: Floats,
) -> None:
    values, marks = counted
    column.scaled.check_sums(frames)
    sums, low, high = column.sums
    totals, unit = _gain(frames, sums), 2.0**-column.column.bits
    for slots, empty in slot_tables(requests, _SUMS):
        _write_sums(values, marks, totals, unit, slots, empty, out)
    for slots, empty in slot_tables(requests, _VARIANCES):
        squares = np.empty(len(totals), dtype=np.uint64), np.empty(len(totals), dtype=np.uint64)
        if frames.events.ordered:
            _range_squares(low, high, frames.first, frames.last, frames.extra, *squares)
        else:
            _move_squares(low, high, frames.moves, frames.move_ends, *squares)
        _write_variances(values, marks, totals, *squares, unit, slots, empty, out)


def _count_events(frames: WindowFrames) -> Integers:
    counts = np.empty(len(frames.first), dtype=np.int64)
    if frames.events.ordered:
        _range_counts(frames.first, frames.last, frames.extra, counts)
    else:
        _move_counts(frames.moves, frames.move_ends, counts)
    return counts


def _gain(frames: WindowFrames, prefix: Integers) -> Integers:
    """Sum over each window's events of what a prefix sum gains at them: int64[n_queries]."""
    gain = np.empty(len(frames.first), dtype=np.int64)
    if frames.events.ordered:
        _range_differences(prefix, frames.first, frames.last, frames.extra, gain)
    else:
        _move_differences(prefix, frames.moves, frames.move_ends, gain)
    return gain


@kernel
def _write_plain(
    first: Positions,
    last: Positions,
    sums: Integers,
    low: Unsigned,
    high: Unsigned,
    unit: float,
    slots: Integers,
    empty: Floats,
    out: Floats,
) -> None:
    """Counts, sums, means, variances and deviations of ranges of finite values."""
    for query in range(len(first)):
        begin, end = np.uint64(first[query]), np.uint64(last[query])
        count = last[query] - first[query]
        if slots[0] >= 0:
            out[slots[0], query] = count
        if slots[1] >= 0:
            out[slots[1], query] = count
        if len(sums) == 0:
            continue
        total = sums[end] - sums[begin]
        scaled = np.float64(total)
        if slots[2] >= 0:
            out[slots[2], query] = scaled * unit if count > 0 else empty[2]
        if slots[3] >= 0:
            out[slots[3], query] = scaled / count * unit if count > 0 else empty[3]
        if slots[4] < 0 and slots[5] < 0:
            continue
        variance = np.nan
        if count > 1:
            square_low = low[end] - low[begin]
            square_high = high[end] - high[begin] - np.uint64(low[end] < low[begin])
            variance = unit * unit * _variance(count, total, square_low, square_high)
        if slots[4] >= 0:
            out[slots[4], query] = variance if count > 1 else empty[4]
        if slots[5] >= 0:
            out[slots[5], query] = np.sqrt(variance) if count > 1 else empty[5]


@kernel
def _range_counts(first: Positions, last: Positions, extra: Positions, counts: Integers) -> None:
    """Events of each window."""
    for query in range(len(first)):
        counts[query] = last[query] - first[query]
    for query in range(len(extra)):
        counts[query] += extra[query] >= 0


@kernel
def _range_differences(prefix: Integers, first: Positions, last: Positions, extra: Positions, result: Integers) -> None:
    """What a prefix sum gains over each window, modulo 2**64."""
    for query in range(len(first)):
        result[query] = prefix[last[query]] - prefix[first[query]]
    for query in range(len(extra)):
        if extra[query] >= 0:
            result[query] += prefix[extra[query] + 1] - prefix[extra[query]]


@kernel
def _range_squares(
    low: Unsigned,
    high: Unsigned,
    first: Positions,
    last: Positions,
    extra: Positions,
    square_low: Unsigned,
    square_high: Unsigned,
) -> None:
    """What a 128-bit prefix sum gains over each window."""
    for query in range(len(first)):
        begin, end = np.uint64(first[query]), np.uint64(last[query])
        square_low[query] = low[end] - low[begin]
        square_high[query] = high[end] - high[begin] - np.uint64(low[end] < low[begin])
    for query in range(len(extra)):
        if extra[query] >= 0:
            own = extra[query]
            own_low = low[own + 1] - low[own]
            own_high = high[own + 1] - high[own] - np.uint64(low[own + 1] < low[own])
            square_low[query] += own_low
            square_high[query] += own_high + np.uint64(square_low[query] < own_low)


@kernel
def _move_counts(moves: Positions, move_ends: Positions, counts: Integers) -> None:
    """Events of each window."""
    done, inside = 0, 0
    for query in range(len(move_ends)):
        while done < move_ends[query]:
            inside += 1 if moves[done] >= 0 else -1
            done += 1
        counts[query] = inside


@kernel
def _move_differences(prefix: Integers, moves: Positions, move_ends: Positions, result: Integers) -> None:
    """What a prefix sum gains over the events of each window, modulo 2**64."""
    done, total = 0, np.int64(0)
    for query in range(len(move_ends)):
        while done < move_ends[query]:
            place = moves[done]
            done += 1
            if place >= 0:
                total += prefix[place + 1] - prefix[place]
            else:
                total -= prefix[~place + 1] - prefix[~place]
        result[query] = total


@kernel
def _move_squares(
    low: Unsigned,
    high: Unsigned,
    moves: Positions,
    move_ends: Positions,
    square_low: Unsigned,
    square_high: Unsigned,
) -> None:
    """What a 128-bit prefix sum gains over the events of each window."""
    done, total_low, total_high = 0, np.uint64(0), np.uint64(0)
    for query in range(len(move_ends)):
        while done < move_ends[query]:
            place = moves[done]
            done += 1
            enters = place >= 0
            place = place if enters else ~place
            own_low = low[place + 1] - low[place]
            own_high = high[place + 1] - high[place] - np.uint64(low[place + 1] < low[place])
            if enters:
                total_low += own_low
                total_high += own_high + np.uint64(total_low < own_low)
            else:
                total_high -= own_high + np.uint64(total_low < own_low)
                total_low -= own_low
        square_low[query], square_high[query] = total_low, total_high


@kernel
def _write_share(values: Integers, marks: Marks, above: Integers, empty: float, out: Floats) -> None:
    for query in range(len(values)):
        result = above[query] / values[query] if values[query] > 0 else empty
        if marks.shape[1] > 0 and marks[0, query] > 0:
            result = np.nan
        out[query] = result


@kernel
def _write_sums(
    values: Integers, marks: Marks, totals: Integers, unit: float, slots: Integers, empty: Floats, out: Floats
) -> None:
    """Sum and mean from the integers of each window; marks are int64[3, n] of NaN, +Inf and -Inf, or [3, 0]."""
    for query in range(len(values)):
        count, total = values[query], np.float64(totals[query])
        special, infinite = False, np.nan
        if marks.shape[1] > 0:
            special = marks[0, query] + marks[1, query] + marks[2, query] > 0
            if marks[0, query] == 0 and (marks[1, query] == 0 or marks[2, query] == 0):
                infinite = np.inf if marks[1, query] > 0 else -np.inf
        if slots[0] >= 0:
            out[slots[0], query] = infinite if special else total * unit if count > 0 else empty[0]
        if slots[1] >= 0:
            out[slots[1], query] = infinite if special else total / count * unit if count > 0 else empty[1]


@kernel
def _write_variances(
    values: Integers,
    marks: Marks,
    totals: Integers,
    square_low: Unsigned,
    square_high: Unsigned,
    unit: float,
    slots: Integers,
    empty: Floats,
    out: Floats,
) -> None:
    """Variance and deviation from the integers of each window."""
    for query in range(len(values)):
        count, variance = values[query], np.nan
        special = False
        if marks.shape[1] > 0:
            special = marks[0, query] + marks[1, query] + marks[2, query] > 0
        few = count < 2 and not (special and marks[0, query] > 0)
        if count > 1 and not special:
            variance = unit * unit * _variance(count, totals[query], square_low[query], square_high[query])
        if slots[0] >= 0:
            out[slots[0], query] = empty[0] if few else variance
        if slots[1] >= 0:
            out[slots[1], query] = empty[1] if few else np.sqrt(variance)


@inlined
def _variance(count: int, total: int, square_low: np.uint64, square_high: np.uint64) -> float:
    """(n*Q - S*S) / (n*(n - 1)): the products, both below 2**127, and their difference are exact."""
    n, size = np.uint64(count), np.uint64(abs(total))
    left, right = n * square_low, size * size
    low = left - right
    high = multiply_high(n, square_low) + n * square_high
    high -= multiply_high(size, size) + np.uint64(left < right)
    return _to_float(high, low) / (np.float64(count) * np.float64(count - 1))


@inlined
def _to_float(high: np.uint64, low: np.uint64) -> float:
    """Nearest float64, ties to even, of high * 2**64 + low."""
    if high == np.uint64(0):
        return np.float64(low)
    shift = leading_zeros(high)
    if shift > np.uint64(0):
        high = (high << shift) | (low >> (np.uint64(64) - shift))
        low = low << shift
    if low != np.uint64(0):
        high |= np.uint64(1)  # below the rounding position of a 64-bit integer: only says "a little more"
    value: float = np.float64(high) * _POWERS[shift]
    return value
