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
    begin: int,
    end: int,
    first: Integers,
    last: Integers,
) -> None:
    """Find the events of each query's windows, for the queries in places [begin, end).

    Args:
        event_starts: int64[n_keys + 1].
        event_time: int64[n_events], ascending within a key.
        limit: int64[n_events], non-decreasing within a key: an event is visible when `limit <= q`.
        query_starts: int64[n_keys + 1].
        query_time: int64[n_queries], ascending within a key.
        widths: int64[n_widths], microseconds.
        begin: first place.
        end: place after the last.
        first: int64[end - begin, n_widths], result: place of the first event with `time >= q - width`.
        last: int64[end - begin], result: place after the last visible event; never before `first`.
    """
    key = _key_of(query_starts, begin)
    place = begin
    while place < end:
        while query_starts[key + 1] <= place:
            key += 1
        stop = min(end, query_starts[key + 1])
        low, high = event_starts[key], event_starts[key + 1]
        _sweep_key(event_time, limit, low, high, query_time, widths, begin, place, stop, first, last)
        place = stop


@kernel
def _sweep_key(
    event_time: Times,
    limit: Times,
    event_begin: int,
    event_end: int,
    query_time: Times,
    widths: Integers,
    base: int,
    begin: int,
    end: int,
    first: Integers,
    last: Integers,
) -> None:
    upper = _first_above(limit, event_begin, event_end, query_time[begin])
    for place in range(begin, end):
        while upper < event_end and limit[upper] <= query_time[place]:
            upper += 1
        last[place - base] = upper
    for index in range(len(widths)):
        lower = _first_above(event_time, event_begin, event_end, query_time[begin] - widths[index] - 1)
        for place in range(begin, end):
            oldest = query_time[place] - widths[index]
            while lower < event_end and event_time[lower] < oldest:
                lower += 1
            first[place - base, index] = min(lower, last[place - base])


@kernel
def _first_above(values: Times, begin: int, end: int, bound: int) -> int:
    while begin < end:
        middle = (begin + end) // 2
        if values[middle] > bound:
            end = middle
        else:
            begin = middle + 1
    return begin


@kernel
def _key_of(starts: Starts, place: int) -> int:
    low, high = 0, len(starts) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= place:
            low = middle
        else:
            high = middle
    return low
