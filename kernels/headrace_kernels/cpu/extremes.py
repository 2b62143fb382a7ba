"""Smallest and largest values of windows, and the distance between them.

Nulls take no part; a NaN inside makes the result NaN. Minus zero is written as zero. Selections are exact, so every way
of finding them gives the same bits: short windows are covered by two overlapping stretches whose extremes are known,
long ones slide over two stacks, and where later events may be visible before earlier ones a tree of extremes is filled
as they become visible.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cpu.jit import kernel, leading_zeros, wrapping
from headrace_kernels.cpu.summed_columns import MOST_LEVELS, Kinds, Marks, SummedColumn
from headrace_kernels.dtypes import Flags, Floats, Integers, Positions, Starts, Times
from headrace_kernels.slots import slot_tables

_STATISTICS = (Statistic.MIN, Statistic.MAX, Statistic.RANGE)


def aggregate_extremes(
    frames: WindowFrames, column: SummedColumn, requests: Sequence[StatisticRequest], out: Floats
) -> None:
    """Write smallest, largest and range; see the reference.

    Complexity: O(events + queries) where visibility is ordered, else O((events + queries) log(events of a window));
    ranges of integers beyond 2**53 sort them first.
    """
    _aggregate(frames, column, tuple(requests), out)
    ranges = [row for row, request in enumerate(requests) if request.statistic == Statistic.RANGE]
    if ranges and _is_wide(column.column.values):
        distances, found = _distances(frames, column.column)
        for row in ranges:
            out[row] = np.where(found, distances, requests[row].empty)


def _is_wide(values: Floats | Integers) -> bool:
    """Whether there are integers that float64 does not tell apart."""
    return values.dtype.kind == "i" and bool(values.max(initial=0) > 2**53 or values.min(initial=0) < -(2**53))


def _distances(frames: WindowFrames, column: ValueColumn) -> tuple[Floats, Flags]:
    """Distance of each window's extremes, found by their ranks and subtracted as integers, and where there is one."""
    values, ranks = np.unique(column.values, return_inverse=True)
    ranked = SummedColumn(ValueColumn(ranks.astype(np.float64), column.valid, 0))
    ends = np.empty((2, len(frames.first)), dtype=np.float64)
    _aggregate(frames, ranked, (StatisticRequest(Statistic.MIN), StatisticRequest(Statistic.MAX)), ends)
    found = ~np.isnan(ends[0])
    low, high = values[np.where(found, ends, 0.0).astype(np.int64)].view(np.uint64)
    return (high - low).astype(np.float64), found


def _aggregate(frames: WindowFrames, column: SummedColumn, requests: tuple[StatisticRequest, ...], out: Floats) -> None:
    values, extra = column.floats, frames.extra
    starts, ordered = frames.queries.groups.starts, frames.events.ordered
    longest = int((frames.last - frames.first).max(initial=0))
    with wrapping():
        for slots, empty in slot_tables(requests, _STATISTICS):
            ends = (extra, slots, empty, out)
            if ordered and longest < 1 << MOST_LEVELS:
                lows, highs = column.stretches(longest.bit_length())
                _write_short(values, column.kinds, column.marks, lows, highs, frames.first, frames.last, *ends)
            elif ordered:
                _write_ranges(values, column.kinds, starts, frames.first, frames.last, *ends)
            else:
                _write_trees(
                    values, column.kinds, frames.events.groups.starts, frames.events.visible_at, starts,
                    frames.queries.time, frames.first, frames.last, *ends,
                )  # fmt: skip


@kernel
def _write_short(
    values: Floats,
    kinds: Kinds,
    marks: Marks,
    lows: Floats,
    highs: Floats,
    first: Positions,
    last: Positions,
    extra: Positions,
    slots: Integers,
    empty: Floats,
    out: Floats,
) -> None:
    """Two stretches of a power of two, one from each end, cover a window: no branch for the processor to guess.

    Reference: M. Bender, M. Farach-Colton, "The LCA problem revisited", 2000, section 3 (sparse tables).
    """
    plain = len(kinds) == 0
    for query in range(len(first)):
        lower, upper = first[query], last[query]
        seen, has_nan = upper > lower, False
        low, high = np.inf, -np.inf
        if upper > lower:
            level = np.uint64(63) - leading_zeros(np.uint64(upper - lower))
            other = upper - (np.int64(1) << np.int64(level))
            low = min(lows[level, lower], lows[level, other])
            high = max(highs[level, lower], highs[level, other])
        if not plain:
            seen = marks[0, upper] > marks[0, lower]
            has_nan = marks[1, upper] > marks[1, lower]
        if len(extra) > 0 and extra[query] >= 0:
            kind = 1 if plain else kinds[extra[query]]
            if kind != 0:
                low, high = min(low, values[extra[query]]), max(high, values[extra[query]])
                seen = True
                has_nan = has_nan or kind == 2
        if has_nan:
            low, high = np.nan, np.nan
        if slots[0] >= 0:
            out[slots[0], query] = low + 0.0 if seen else empty[0]
        if slots[1] >= 0:
            out[slots[1], query] = high + 0.0 if seen else empty[1]
        if slots[2] >= 0:
            out[slots[2], query] = high - low if seen else empty[2]


@kernel
def _write_ranges(
    values: Floats,
    kinds: Kinds,
    query_starts: Starts,
    first: Positions,
    last: Positions,
    extra: Positions,
    slots: Integers,
    empty: Floats,
    out: Floats,
) -> None:
    """Two stacks: extremes from each place to the middle of the window, and of what came after the middle.

    When the window has passed the middle, its end becomes the middle: every event is read twice at most.
    Reference: K. Tangwongsan, M. Hirzel, S. Schneider, "Low-latency sliding-window aggregation in worst-case constant
    time", 2017, section 3 (the two-stacks algorithm).
    """
    plain = len(kinds) == 0
    back_low = np.empty(len(values), dtype=np.float64)
    back_high = np.empty(len(values), dtype=np.float64)
    back_seen = np.empty(0 if plain else len(values), dtype=np.int8)
    for key in range(len(query_starts) - 1):
        begin, middle, entered = 0, -1, 0
        front_low, front_high, front_seen = np.inf, -np.inf, 0
        for query in range(query_starts[key], query_starts[key + 1]):
            lower, upper = first[query], last[query]
            if lower >= middle or lower < begin:
                low, high, seen = np.inf, -np.inf, 0
                for place in range(upper - 1, lower - 1, -1):
                    kind = 1 if plain else kinds[place]
                    if kind != 0:
                        low, high = min(low, values[place]), max(high, values[place])
                        seen |= 2 if kind == 2 else 1
                    back_low[place], back_high[place] = low, high
                    if not plain:
                        back_seen[place] = seen
                begin, middle, entered = lower, upper, upper
                front_low, front_high, front_seen = np.inf, -np.inf, 0
            while entered < upper:
                kind = 1 if plain else kinds[entered]
                if kind != 0:
                    front_low, front_high = min(front_low, values[entered]), max(front_high, values[entered])
                    front_seen |= 2 if kind == 2 else 1
                entered += 1
            low, high, seen = front_low, front_high, front_seen
            if lower < middle:
                low, high = min(low, back_low[lower]), max(high, back_high[lower])
                seen |= 1 if plain else back_seen[lower]
            if len(extra) > 0 and extra[query] >= 0:
                kind = 1 if plain else kinds[extra[query]]
                if kind != 0:
                    low, high = min(low, values[extra[query]]), max(high, values[extra[query]])
                    seen |= 2 if kind == 2 else 1
            if seen >= 2:
                low, high = np.nan, np.nan
            if slots[0] >= 0:
                out[slots[0], query] = low + 0.0 if seen > 0 else empty[0]
            if slots[1] >= 0:
                out[slots[1], query] = high + 0.0 if seen > 0 else empty[1]
            if slots[2] >= 0:
                out[slots[2], query] = high - low if seen > 0 else empty[2]


@kernel
def _write_trees(
    values: Floats,
    kinds: Kinds,
    event_starts: Starts,
    visible_at: Times,
    query_starts: Starts,
    query_time: Times,
    first: Positions,
    last: Positions,
    extra: Positions,
    slots: Integers,
    empty: Floats,
    out: Floats,
) -> None:
    plain = len(kinds) == 0
    for key in range(len(query_starts) - 1):
        from_query, to_query = query_starts[key], query_starts[key + 1]
        if from_query == to_query:
            continue
        begin, end = first[from_query], last[to_query - 1]
        for query in range(from_query, to_query):
            begin = min(begin, first[query])
        size = max(end - begin, 0)
        lows, highs = np.full(2 * size + 1, np.inf), np.full(2 * size + 1, -np.inf)
        states = np.zeros(2 * size + 1, dtype=np.int8)
        order = event_starts[key] + np.argsort(visible_at[event_starts[key] : event_starts[key + 1]], kind="mergesort")
        entered = 0
        for query in range(from_query, to_query):
            while entered < len(order) and visible_at[order[entered]] <= query_time[query]:
                place = order[entered]
                entered += 1
                kind = 1 if plain else kinds[place]
                if place < begin or place >= end or kind == 0:
                    continue
                node = place - begin + size
                state = 2 if kind == 2 else 1
                while node >= 1:
                    lows[node], highs[node] = min(lows[node], values[place]), max(highs[node], values[place])
                    states[node] |= state
                    node //= 2
            low, high, seen = np.inf, -np.inf, 0
            left, right = first[query] - begin + size, last[query] - begin + size
            while left < right:
                if left & 1:
                    low, high, seen = min(low, lows[left]), max(high, highs[left]), seen | states[left]
                    left += 1
                if right & 1:
                    right -= 1
                    low, high, seen = min(low, lows[right]), max(high, highs[right]), seen | states[right]
                left //= 2
                right //= 2
            if len(extra) > 0 and extra[query] >= 0:
                kind = 1 if plain else kinds[extra[query]]
                if kind != 0:
                    low, high = min(low, values[extra[query]]), max(high, values[extra[query]])
                    seen |= 2 if kind == 2 else 1
            if seen >= 2:
                low, high = np.nan, np.nan
            if slots[0] >= 0:
                out[slots[0], query] = low + 0.0 if seen > 0 else empty[0]
            if slots[1] >= 0:
                out[slots[1], query] = high + 0.0 if seen > 0 else empty[1]
            if slots[2] >= 0:
                out[slots[2], query] = high - low if seen > 0 else empty[2]
