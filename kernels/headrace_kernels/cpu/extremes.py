"""Largest values of windows. The smallest is minus the largest of the negated values, which is exact.

Nulls take no part; a NaN inside makes the result NaN; nothing inside gives NaN. Minus zero is written as zero.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Floats, Integers, Matrix, Positions, Starts, Times


@kernel
def write_sliding(
    values: Floats,
    present: npt.NDArray[np.int8],
    event_starts: Starts,
    query_starts: Starts,
    first: Integers,
    last: Integers,
    rows: Positions,
    slots: Integers,
    sign: float,
    out: Matrix,
) -> None:
    """Write the largest value of windows that are ranges of events.

    One queue of falling maxima serves every width: it slides with the widest window, and every narrower one has a place
    of its own in it. Complexity: O((events + queries) * widths).

    Args:
        values: float64[n_events], in the groups' order, times `sign`.
        present: int8[n_events], 0 = null, 1 = a number, 2 = NaN.
        event_starts: int64[n_keys + 1].
        query_starts: int64[n_keys + 1].
        first: int64[n_queries, n_widths], place of each window's first event.
        last: int64[n_queries], place after its last event.
        rows: int64[n_queries], rows of the matrix.
        slots: int64[n_widths], the matrix's columns, or -1.
        sign: 1.0 for the largest, -1.0 for the smallest.
        out: float32[n_rows, n_features], C-contiguous.
    """
    longest = 0
    for key in range(len(event_starts) - 1):
        longest = max(longest, event_starts[key + 1] - event_starts[key])
    queue = np.empty(longest + 1, dtype=np.int64)
    places = np.zeros(len(slots), dtype=np.int64)
    key, head, tail, entered, newest_nan = 0, 0, 0, 0, -1
    fresh = True
    for here in range(len(rows)):
        while query_starts[key + 1] <= here:
            key += 1
            fresh = True
        oldest = last[here]
        for width in range(len(slots)):
            oldest = min(oldest, first[here, width])
        if fresh:
            head, tail, entered, newest_nan, fresh = 0, 0, oldest, -1, False
            places[:] = 0
        kept = tail  # places before this one hold what they held for the last query
        while entered < last[here]:
            if present[entered] == 1:
                while tail > head and values[queue[tail - 1]] <= values[entered]:
                    tail -= 1
                kept = min(kept, tail)
                queue[tail] = entered
                tail += 1
            elif present[entered] == 2:
                newest_nan = entered
            entered += 1
        while head < tail and queue[head] < oldest:
            head += 1
        for width in range(len(slots)):
            if slots[width] < 0:
                continue
            low = max(head, min(places[width], kept))
            while low < tail and queue[low] < first[here, width]:
                low += 1
            places[width] = low
            result = np.nan
            if newest_nan < first[here, width] and low < tail:
                result = values[queue[low]] * sign + 0.0
            out[rows[here], slots[width]] = result


@kernel
def write_tree_extremes(
    values: Floats,
    present: npt.NDArray[np.int8],
    activation: Positions,
    visible_at: Times,
    event_starts: Starts,
    query_starts: Starts,
    query_time: Times,
    first: Integers,
    last: Integers,
    rows: Positions,
    slots: Integers,
    sign: float,
    out: Matrix,
) -> None:
    """Write the largest value of windows in which later events may be visible before earlier ones.

    A sweep over the queries of each key enters events into a segment tree of maxima when they become visible; the tree
    spans what the key's queries can reach. Complexity: O(events + (reached + queries * widths) * log(reached)).

    Args:
        values: float64[n_events], in the groups' order, times `sign`.
        present: int8[n_events], 0 = null, 1 = a number, 2 = NaN.
        activation: int64[n_events], places of the events of each key by (visible_at, place).
        visible_at: int64[n_events], by place.
        event_starts: int64[n_keys + 1].
        query_starts: int64[n_keys + 1].
        query_time: int64[n_queries].
        first: int64[n_queries, n_widths], place of each window's first event in time.
        last: int64[n_queries], place after the last event in time.
        rows: int64[n_queries], rows of the matrix.
        slots: int64[n_widths], the matrix's columns, or -1.
        sign: 1.0 for the largest, -1.0 for the smallest.
        out: float32[n_rows, n_features], C-contiguous.
    """
    for key in range(len(query_starts) - 1):
        if query_starts[key] == query_starts[key + 1]:
            continue
        begin, end = first[query_starts[key]].min(), last[query_starts[key + 1] - 1]
        size = end - begin
        tree = np.full(2 * size + 1, -np.inf)
        state = np.zeros(2 * size + 1, dtype=np.int8)
        entered = event_starts[key]
        for query in range(query_starts[key], query_starts[key + 1]):
            while entered < event_starts[key + 1] and visible_at[activation[entered]] <= query_time[query]:
                event = activation[entered]
                entered += 1
                if event < begin or event >= end:
                    continue
                node = event - begin + size
                while node >= 1 and present[event] > 0:
                    if present[event] == 1:
                        tree[node] = max(tree[node], values[event])
                    state[node] = max(state[node], present[event])
                    node //= 2
            for width in range(len(slots)):
                if slots[width] < 0:
                    continue
                low = first[query, width] - begin + size
                high = last[query] - begin + size
                largest, seen = -np.inf, 0
                while low < high:
                    if low & 1:
                        largest, seen = max(largest, tree[low]), max(seen, state[low])
                        low += 1
                    if high & 1:
                        high -= 1
                        largest, seen = max(largest, tree[high]), max(seen, state[high])
                    low //= 2
                    high //= 2
                out[rows[query], slots[width]] = largest * sign + 0.0 if seen == 1 else np.nan
