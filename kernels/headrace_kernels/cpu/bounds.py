"""Where each query's windows begin and end among the events of its key, by two-pointer sweeps."""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Integers, Starts, Times


@kernel
def sweep_bounds(
    event_starts: Starts,
    event_time: Times,
    limit: Times,
    query_starts: Starts,
    query_time: Times,
    widths: Integers,
    first: Integers,
    last: Integers,
) -> None:
    """Find the events of each query's windows. Complexity: O(queries * widths + keys + events between the queries).

    Args:
        event_starts: int64[n_keys + 1].
        event_time: int64[n_events], ascending within a key.
        limit: int64[n_events], non-decreasing within a key: an event counts when `limit <= q`.
        query_starts: int64[n_keys + 1].
        query_time: int64[n_queries], ascending within a key.
        widths: int64[n_widths], microseconds.
        first: int64[n_queries, n_widths], result: place of the first event with `time >= q - width`.
        last: int64[n_queries], result: place after the last event that counts; never before `first`.
    """
    for key in range(len(query_starts) - 1):
        begin, end = query_starts[key], query_starts[key + 1]
        if begin == end:
            continue
        upper = _first_above(limit, event_starts[key], event_starts[key + 1], query_time[begin])
        for query in range(begin, end):
            while upper < event_starts[key + 1] and limit[upper] <= query_time[query]:
                upper += 1
            last[query] = upper
        for index in range(len(widths)):
            oldest = query_time[begin] - widths[index]
            lower = _first_above(event_time, event_starts[key], event_starts[key + 1], oldest - 1)
            for query in range(begin, end):
                oldest = query_time[query] - widths[index]
                while lower < event_starts[key + 1] and event_time[lower] < oldest:
                    lower += 1
                first[query, index] = min(lower, last[query])


@kernel
def most_events(event_starts: Starts, event_time: Times, width: int) -> int:
    """Most events of one key that any window of a width can hold. Complexity: O(events)."""
    most = 0
    for key in range(len(event_starts) - 1):
        oldest = event_starts[key]
        for newest in range(event_starts[key], event_starts[key + 1]):
            while event_time[newest] - event_time[oldest] >= width:
                oldest += 1
            most = max(most, newest - oldest + 1)
    return most


@kernel
def _first_above(values: Times, begin: int, end: int, bound: int) -> int:
    while begin < end:
        middle = (begin + end) // 2
        if values[middle] > bound:
            end = middle
        else:
            begin = middle + 1
    return begin
