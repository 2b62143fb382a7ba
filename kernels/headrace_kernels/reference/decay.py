"""Exponentially decayed counts, sums and means of windows, event by event."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import partial

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.reference.membership import members

_STEPS = 32


def aggregate_decayed(
    frames: WindowFrames,
    column: ValueColumn | None,
    requests: Sequence[StatisticRequest],
    out: npt.NDArray[np.float64],
) -> None:
    """Write DECAYED_COUNT, DECAYED_SUM and DECAYED_MEAN of every window.

    An event of time t weighs w = 2**(-(q - t) / parameter) at q. The count is the sum of w, the sum that of w * x, the
    mean the second over the first, each added up in float64 in the order of the events, oldest first: the bits depend
    on the window's events and q alone. Of events with the same time and visibility, the smaller value is added first;
    the query's own event is the last.

    Null policy: skipped, in the count as well. NaN and Inf do what IEEE arithmetic says. Empty: the count is 0, the
    others the request's `empty`, as is a mean of which every weight is 0 (older than 1,074 half-lives). Error: weights
    within 1.1 ulp of 2**x for the quotient x, whose own rounding adds up to 0.7 * |x| ulp; sums as float sums have it,
    relative to the sum of |w * x|. Complexity: O(queries x events).

    Args:
        frames: windows.
        column: values by place; None for the count of all events.
        requests: what to write into which row of `out`; `parameter` is the half-life in microseconds.
        out: float64[n_requests, n_queries], result.
    """
    for query, places in enumerate(members(frames)):
        now = int(frames.queries.time[query])
        own = len(frames.extra) > 0 and frames.extra[query] >= 0
        n_ranked = len(places) - 1 if own else len(places)
        events = sorted(places[:n_ranked], key=partial(_rank, frames, column)) + places[n_ranked:]
        kept = [place for place in events if column is None or column.valid is None or column.valid[place]]
        for row, request in enumerate(requests):
            weights = [_exp2(float(int(frames.events.time[place]) - now) / request.parameter) for place in kept]
            values = [float(column.values[place]) for place in kept] if column is not None else []
            out[row, query] = _decayed(weights, values, request)


def _rank(frames: WindowFrames, column: ValueColumn | None, place: int) -> tuple[int, int, bool, float]:
    """Order of addition: by time, visibility and value."""
    value = 0.0 if column is None else float(column.values[place])
    nan = math.isnan(value)
    return int(frames.events.time[place]), int(frames.events.visible_at[place]), nan, 0.0 if nan else value


def _decayed(weights: list[float], values: list[float], request: StatisticRequest) -> float:
    total = 0.0
    for weight in weights:
        total += weight
    if request.statistic == Statistic.DECAYED_COUNT:
        return total
    weighted = 0.0
    for weight, value in zip(weights, values, strict=True):
        weighted += weight * value
    if not weights or (request.statistic == Statistic.DECAYED_MEAN and total == 0.0):
        return request.empty
    return weighted if request.statistic == Statistic.DECAYED_SUM else weighted / total


def _exp2(x: float) -> float:
    """2**x within 1.1 ulp, by additions and multiplications alone, so that it has the same bits everywhere.

    x = k + j/32 + r with |r| <= 1/64: 2**k is exact, 2**(j/32) a table's entry, 2**r - 1 a polynomial of degree 6 with
    Taylor's coefficients (truncated below 4e-18). From x = 1023 on it is infinite: no event is that far in the future.

    Reference: P. T. P. Tang, "Table-driven implementation of the exponential function", ACM TOMS 15(2), 1989.
    """
    if x < -1074.0:
        return 0.0
    if x >= 1023.0:
        return math.inf
    steps = float(np.rint(x * _STEPS))
    rest = x - steps / _STEPS
    power, index = divmod(int(steps), _STEPS)
    growth = 0.0
    for degree in range(6, 0, -1):
        growth = (growth + _COEFFICIENTS[degree - 1]) * rest
    root = _ROOTS[index]
    return math.ldexp(root + root * growth, power)


def _coefficient(degree: int) -> float:
    """(log 2)**degree / degree!, rounded once."""
    with localcontext() as context:
        context.prec = 50
        return float(Decimal(2).ln() ** degree / math.factorial(degree))


def _root(index: int) -> float:
    """2**(index / 32), rounded once: five square roots with 128 binary digits to spare."""
    power = 1 << (index + _STEPS * 128)
    for _ in range(5):
        power = math.isqrt(power)
    return float(Fraction(power, 1 << 128))


_COEFFICIENTS = tuple(_coefficient(degree) for degree in range(1, 7))
_ROOTS = tuple(_root(index) for index in range(_STEPS))
