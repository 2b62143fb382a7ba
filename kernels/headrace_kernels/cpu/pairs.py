"""Covariance, correlation and slope of windows on the CPU, from exact sums that follow what enters and leaves.

Sums and products are kept modulo 2**128, where adding and taking away have no order and forget nothing. They may wrap:
n * sum(x * y) - sum(x) * sum(y) does not, because n * (largest - smallest) < 2**64 keeps it below 2**126 (a variance
is at most a quarter of the squared range). Only that difference is rounded.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import ExactRangeError, Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cpu.jit import inlined, kernel
from headrace_kernels.cpu.scaling import scale_column
from headrace_kernels.dtypes import Flags, Floats, Integers

_SKIPPED, _FINITE, _SPECIAL = 0, 1, 2
_LEFT, _RIGHT, _BOTH, _LEFT_SQUARE, _RIGHT_SQUARE = 0, 1, 2, 3, 4
_COV, _CORR, _TREND = int(Statistic.COV), int(Statistic.CORR), int(Statistic.TREND)
_RANGE = 2**64
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_NIL = np.uint64(0)
_ONE = np.uint64(1)
_SIXTY_FOUR = np.uint64(64)


def aggregate_pairs(
    frames: WindowFrames,
    left: ValueColumn,
    right: ValueColumn | None,
    requests: Sequence[StatisticRequest],
    out: npt.NDArray[np.float64],
) -> None:
    """Write COV, CORR, SLOPE or TREND of every window; see the reference for the policy.

    Complexity: O(events + moves + queries * requests), whatever the windows' length.

    Raises:
        ExactRangeError: a value of a window does not fit 64 bits at its column's resolution, or (its events) *
            (its largest - smallest value), or of its times, reaches 2**64.
    """
    kinds = _kinds(left, right)
    paired: Flags = kinds == _FINITE
    scaled = [scale_column(column, paired) for column in ((left,) if right is None else (left, right))]
    for index, each in enumerate(scaled):
        each.check_spreads(frames, index)
    lefts = scaled[0].integers
    rights = scaled[1].integers if right is not None else frames.events.time
    if right is None:
        _check_times(frames)
    left_unit, right_unit = 2.0**-left.bits, 2.0**-right.bits if right is not None else 1.0
    statistics = np.array([request.statistic for request in requests], dtype=np.int64)
    with np.errstate(all="ignore"):
        _follow(
            frames.moves, frames.move_ends, kinds, lefts, rights,
            np.array([left_unit * right_unit, left_unit / right_unit]), statistics,
            np.array([request.empty for request in requests], dtype=np.float64), out,
        )  # fmt: skip


def _kinds(left: ValueColumn, right: ValueColumn | None) -> npt.NDArray[np.int8]:
    """Whether an event is skipped, a pair of finite numbers, or one with NaN or Inf."""
    kinds = np.full(len(left.values), _FINITE, dtype=np.int8)
    columns = (left,) if right is None else (left, right)
    for column in columns:
        kinds[~np.isfinite(column.values)] = _SPECIAL
    for column in columns:
        if column.valid is not None:
            kinds[~column.valid] = _SKIPPED
    return kinds


def _check_times(frames: WindowFrames) -> None:
    """Refuse windows whose times leave the exact range."""
    if not len(frames.events.time) or not len(frames.first):
        return
    sizes = frames.last - frames.first
    if len(frames.extra):
        sizes = sizes + (frames.extra >= 0)
    if (sizes * _spans(frames)).max() > 0.999 * _RANGE:
        longest = sizes[np.argmax(sizes * _spans(frames))]
        raise ExactRangeError(f"the times of a window of {longest} events leave the exact range of trends", 1)


def _spans(frames: WindowFrames) -> Floats:
    """Microseconds from the first to the last event of each window, or more where a window is empty."""
    time = frames.events.time
    oldest, newest = time[np.minimum(frames.first, len(time) - 1)], time[frames.last - 1]
    if len(frames.extra):
        has_own, own = frames.extra >= 0, time[frames.extra]
        oldest = np.where(has_own, np.minimum(oldest, own), oldest)
        newest = np.where(has_own, np.maximum(newest, own), newest)
    return (newest - oldest).astype(np.float64)


@kernel
def _follow(
    moves: Integers,
    move_ends: Integers,
    kinds: npt.NDArray[np.int8],
    lefts: Integers,
    rights: Integers,
    units: Floats,
    statistics: Integers,
    empty: Floats,
    out: npt.NDArray[np.float64],
) -> None:
    """Follow the moves and write every window's statistics.

    Args:
        moves: int64[n_moves].
        move_ends: int64[n_queries].
        kinds: int8[n_events].
        lefts: int64[n_events], values in steps of the column's resolution.
        rights: int64[n_events], values in steps, or times.
        units: float64[2], size of a step in COV and SLOPE.
        statistics: int64[n_requests].
        empty: float64[n_requests].
        out: float64[n_requests, n_queries], result.
    """
    sums = np.zeros((5, 2), dtype=np.uint64)  # the high and the low half of each
    done, count, special = 0, 0, 0
    for query in range(len(move_ends)):
        for index in range(done, move_ends[query]):
            entering = moves[index] >= 0
            place = moves[index] if entering else ~moves[index]
            step = 1 if entering else -1
            if kinds[place] == _FINITE:
                count += step
                left, right = lefts[place], rights[place]
                _add(sums, _LEFT, left, 1, entering)
                _add(sums, _RIGHT, right, 1, entering)
                _add(sums, _BOTH, left, right, entering)
                _add(sums, _LEFT_SQUARE, left, left, entering)
                _add(sums, _RIGHT_SQUARE, right, right, entering)
            elif kinds[place] == _SPECIAL:
                special += step
        done = move_ends[query]
        both, left_spread, right_spread = 0.0, 0.0, 0.0
        if special == 0 and count > 1:
            both = _centred(sums, count, _BOTH, _LEFT, _RIGHT)
            left_spread = _centred(sums, count, _LEFT_SQUARE, _LEFT, _LEFT)
            right_spread = _centred(sums, count, _RIGHT_SQUARE, _RIGHT, _RIGHT)
        for row in range(len(statistics)):
            result = empty[row]
            if special > 0:
                result = np.nan
            elif statistics[row] == _COV:
                if count > 1:
                    result = both / (np.float64(count) * np.float64(count - 1)) * units[0]
            elif statistics[row] == _CORR:
                if left_spread > 0.0 and right_spread > 0.0:
                    result = max(-1.0, min(1.0, both / np.sqrt(left_spread * right_spread)))
            elif right_spread > 0.0:
                result = both / right_spread * units[1]
                if statistics[row] == _TREND:
                    result *= 1e6
            out[row, query] = result


@inlined
def _add(sums: npt.NDArray[np.uint64], lane: int, left: int, right: int, entering: bool) -> None:  # noqa: FBT001
    """Add left * right, or take it away: two's complement in 128 bits."""
    high, low = _product(np.uint64(left), np.uint64(right))
    if left < 0:
        high -= np.uint64(right)
    if right < 0:
        high -= np.uint64(left)
    if not entering:
        low = ~low + _ONE
        high = ~high + (_ONE if low == _NIL else _NIL)
    sums[lane, 1] += low
    sums[lane, 0] += high + (_ONE if sums[lane, 1] < low else _NIL)


@inlined
def _centred(sums: npt.NDArray[np.uint64], count: int, products: int, left: int, right: int) -> float:
    """Nearest float64 of count * sum(x * y) - sum(x) * sum(y)."""
    n = np.uint64(count)
    high, low = _product(n, sums[products, 1])
    high += n * sums[products, 0]
    square_high, square_low = _product(sums[left, 1], sums[right, 1])
    square_high += sums[left, 0] * sums[right, 1] + sums[left, 1] * sums[right, 0]
    high -= square_high + (_ONE if low < square_low else _NIL)
    low -= square_low
    if high >> np.uint64(63) == _NIL:
        return _to_float(high, low)
    low = ~low + _ONE
    high = ~high + (_ONE if low == _NIL else _NIL)
    return -_to_float(high, low)


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
    if high == _NIL:
        return np.float64(low)
    power = 18446744073709551616.0
    for shift in (32, 16, 8, 4, 2, 1):
        step = np.uint64(shift)
        if high >> (_SIXTY_FOUR - step) == _NIL:
            high = (high << step) | (low >> (_SIXTY_FOUR - step))
            low = low << step
            power /= 2.0**shift
    if low != _NIL:
        high |= _ONE  # below the rounding position of a 64-bit integer: only says "a little more"
    return np.float64(high) * power
