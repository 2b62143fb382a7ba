"""Exponentially decayed statistics on the CPU: one sweep over every window's events, one half-life at a time.

A running sum that is aged from query to query would cost nothing a window, but its bits would depend on the queries
before it. So each window is added up anew, oldest event first.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cpu.jit import inlined, kernel
from headrace_kernels.dtypes import Flags, Floats, Integers, Positions, Times

_C1, _C2, _C3, _C4, _C5, _C6 = (
    0.6931471805599453, 0.24022650695910072, 0.05550410866482158,
    0.009618129107628477, 0.0013333558146428443, 0.0001540353039338161,
)  # fmt: skip
"""(log 2)**k / k!"""

_ROOTS: Floats = np.array([
    1.0, 1.0218971486541166, 1.0442737824274138, 1.0671404006768237, 1.0905077326652577,
    1.1143867425958924, 1.1387886347566916, 1.1637248587775775, 1.189207115002721, 1.215247359980469,
    1.241857812073484, 1.2690509571917332, 1.2968395546510096, 1.3252366431597413, 1.3542555469368927,
    1.383909881963832, 1.4142135623730951, 1.4451808069770467, 1.4768261459394993, 1.5091644275934228,
    1.5422108254079407, 1.5759808451078865, 1.6104903319492543, 1.645755478153965, 1.681792830507429,
    1.718619298122478, 1.7562521603732995, 1.7947090750031072, 1.8340080864093424, 1.8741676341103,
    1.9152065613971474, 1.9571441241754002,
])  # fmt: skip
"""2**(k / 32)"""

_SMALLEST = 1074
_POWERS: Floats = np.ldexp(1.0, np.arange(-_SMALLEST, 1024))
"""2**(k - 1074)"""

_NO_FLOATS: Floats = np.zeros(0, dtype=np.float64)
_NO_TIMES: Times = np.zeros(0, dtype=np.int64)
_NOTHING_NULL: Flags = np.zeros(0, dtype=np.bool_)


def aggregate_decayed(
    frames: WindowFrames,
    column: ValueColumn | None,
    requests: Sequence[StatisticRequest],
    out: npt.NDArray[np.float64],
) -> None:
    """Write DECAYED_COUNT, DECAYED_SUM and DECAYED_MEAN of every window; see the reference for the policy.

    Complexity: O(queries + events of all windows), times the different half-lives: long windows cost what they hold.
    """
    values, valid = _NO_FLOATS, _NOTHING_NULL
    if column is not None:
        values = np.ascontiguousarray(column.values, dtype=np.float64)
        valid = _NOTHING_NULL if column.valid is None else column.valid
    visible_at = _NO_TIMES if frames.events.ordered else frames.events.visible_at
    order, run_starts = _order_ties(frames, values)
    for half_life in dict.fromkeys(request.parameter for request in requests):
        n_queries = len(frames.queries.time)
        held, sums = np.empty(n_queries, dtype=np.int64), np.empty((2, n_queries), dtype=np.float64)
        with np.errstate(all="ignore"):
            _weigh(
                frames.first, frames.last, frames.extra, frames.queries.time, frames.events.time, visible_at,
                order, run_starts, values, valid, half_life, held, sums,
            )  # fmt: skip
            for row, request in enumerate(requests):
                if request.parameter == half_life:
                    out[row] = _decayed(request, held, sums)


def _order_ties(frames: WindowFrames, values: Floats) -> tuple[Positions, Positions]:
    """Places with simultaneous events by value, and where each place's run of such events begins; empty without any."""
    starts, time, visible_at = frames.events.groups.starts, frames.events.time, frames.events.visible_at
    new_run = np.ones(len(time) + 1, dtype=np.bool_)
    new_run[1:-1] = (np.diff(time) != 0) | (np.diff(visible_at) != 0)
    new_run[starts] = True
    if not len(values) or new_run.all():
        return _NO_TIMES, _NO_TIMES
    run = np.cumsum(new_run[:-1])
    order = np.lexsort((values, run))
    return order, np.append(np.flatnonzero(new_run[:-1])[run - 1], len(time))


def _decayed(request: StatisticRequest, held: Integers, sums: Floats) -> Floats:
    weights: Floats = sums[0]
    weighted: Floats = sums[1]
    if request.statistic == Statistic.DECAYED_COUNT:
        return weights
    if request.statistic == Statistic.DECAYED_SUM:
        return np.where(held > 0, weighted, request.empty)
    return np.where((held > 0) & (weights != 0.0), weighted / weights, request.empty)


@kernel
def _weigh(
    first: Integers,
    last: Integers,
    extra: Integers,
    query_time: Times,
    event_time: Times,
    visible_at: Times,
    order: Positions,
    run_starts: Positions,
    values: Floats,
    valid: Flags,
    half_life: float,
    held: Integers,
    sums: npt.NDArray[np.float64],
) -> None:
    """Add up the weights of every window, and weights times values.

    Args:
        first: int64[n_queries].
        last: int64[n_queries].
        extra: int64[n_queries] or int64[0].
        query_time: int64[n_queries].
        event_time: int64[n_events].
        visible_at: int64[n_events], or int64[0] where every event of a window is visible.
        order: int64[n_events], places in the order of addition, or int64[0] where it is their own.
        run_starts: int64[n_events + 1], where the simultaneous events of a place begin.
        values: float64[n_events] or float64[0].
        valid: bool[n_events], or bool[0] where nothing is null.
        half_life: microseconds.
        held: int64[n_queries], result: events that are not null.
        sums: float64[2, n_queries], result: sum of the weights, sum of weights times values.
    """
    for query in range(len(query_time)):
        weights, weighted, count = 0.0, 0.0, 0
        now, begin, end = query_time[query], first[query], last[query]
        own = extra[query] if len(extra) > 0 else -1
        low, high = begin, end
        if len(order) > 0:  # a window may begin or end inside a run: go through all of it, take what is inside
            low = run_starts[begin]
            while high < len(order) and run_starts[high] < end:
                high += 1
        for index in range(low, high + 1):
            if index == high:
                if own < 0:
                    break
                place = own
            else:
                place = order[index] if len(order) > 0 else index
                if place < begin or place >= end or (len(visible_at) > 0 and visible_at[place] > now):
                    continue
            if len(valid) > 0 and not valid[place]:
                continue
            weight = _exp2((event_time[place] - now) / half_life)
            weights += weight
            if len(values) > 0:
                weighted += weight * values[place]
            count += 1
        held[query], sums[0, query], sums[1, query] = count, weights, weighted


@inlined
def _exp2(x: float) -> float:
    """2**x with the bits of the reference."""
    if x < -1074.0:
        return 0.0
    if x >= 1023.0:
        return np.inf
    steps = np.rint(x * 32.0)
    rest = x - steps * 0.03125
    growth = (_C6 * rest + _C5) * rest
    growth = (((growth + _C4) * rest + _C3) * rest + _C2) * rest
    growth = (growth + _C1) * rest
    step = np.int64(steps)
    root = _ROOTS[step & 31]
    return float((root + root * growth) * _POWERS[(step >> 5) + _SMALLEST])
