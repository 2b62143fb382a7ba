"""Where each query's window begins and ends among the events of its key, and what enters and leaves in between.

Queries of a key come in the order of time, so every bound is a pointer that moves on; where one does move back (clocks
set back, a late event that joins two sessions) it is followed.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries
from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Integers, Positions, Starts, Times


def bound_visible(events: GroupedEvents, queries: GroupedQueries) -> Positions:
    """Place after the last event that each query may see; see the reference. Complexity: O(events + queries)."""
    last = np.empty(len(queries.time), dtype=np.int64)
    limit = events.visible_at if events.ordered else events.time
    _bound_visible(events.groups.starts, limit, queries.groups.starts, queries.time, last)
    return last


def bound_since(events: GroupedEvents, queries: GroupedQueries, oldest: Integers, last: Positions) -> Positions:
    """Place of the first event not older than a bound; see the reference.

    Complexity: O(events + queries); O(queries * log(events of a key)) where bounds fall from one query to the next.
    """
    first = np.empty(len(queries.time), dtype=np.int64)
    starts = queries.groups.starts
    if not _bound_since(events.groups.starts, events.time, starts, oldest, last, first):
        _search_since(events.groups.starts, events.time, starts, oldest, last, first)
    return first


def bound_newest(events: GroupedEvents, queries: GroupedQueries, n_events: int, last: Positions) -> Positions:
    """Place of the n-th newest visible event; see the reference.

    Complexity: O(queries) where visibility is ordered, else O(queries * (n + events not yet visible)).
    """
    first = np.empty(len(queries.time), dtype=np.int64)
    _bound_newest(
        events.groups.starts, events.visible_at, events.ordered, queries.groups.starts, queries.time, n_events, last,
        first,
    )  # fmt: skip
    return first


def bound_session(events: GroupedEvents, queries: GroupedQueries, gap_us: int, last: Positions) -> Positions:
    """Place of the first event of the open session; see the reference.

    Complexity: O(events + queries) where visibility is ordered, else O(queries * events of the session).
    """
    first = np.empty(len(queries.time), dtype=np.int64)
    _bound_session(
        events.groups.starts, events.time, events.visible_at, events.ordered, queries.groups.starts, queries.time,
        gap_us, last, first,
    )  # fmt: skip
    return first


def window_moves(
    events: GroupedEvents,
    queries: GroupedQueries,
    first: Positions,
    last: Positions,  # noqa: ARG001  # what is visible lies before it
    extra: Positions,
) -> tuple[Positions, Positions]:
    """What enters and leaves the windows from query to query; see the reference.

    Complexity: O(events + queries) where no bound moves back.
    """
    activation = _activation(events.groups.starts, events.visible_at) if not events.ordered else first[:0]
    ends = np.empty(len(queries.time), dtype=np.int64)
    moves = _window_moves(
        events.groups.starts, events.visible_at, activation, queries.groups.starts, queries.time, first, extra, ends,
    )  # fmt: skip
    return moves, ends


@kernel
def _bound_visible(
    event_starts: Starts, limit: Times, query_starts: Starts, query_time: Times, last: Positions
) -> None:
    for key in range(len(query_starts) - 1):
        begin, end = query_starts[key], query_starts[key + 1]
        if begin == end:
            continue
        stop = event_starts[key + 1]
        upper = _first_above(limit, event_starts[key], stop, query_time[begin])
        for query in range(begin, end):
            now = query_time[query]
            while upper < stop and limit[upper] <= now:
                upper += 1
            last[query] = upper


@kernel
def _bound_since(
    event_starts: Starts, event_time: Times, query_starts: Starts, oldest: Integers, last: Positions, first: Positions
) -> bool:
    """Merge bounds and events, a step to the next of one or the other: no branch for the processor to guess.

    False where a bound falls from one query of a key to the next, and the result is no good.
    """
    falls = 0
    for key in range(len(query_starts) - 1):
        query, end = query_starts[key], query_starts[key + 1]
        if query == end:
            continue
        lower, stop = event_starts[key], event_starts[key + 1]
        if lower < stop and event_time[lower] < oldest[query]:
            lower = _first_above(event_time, lower, stop, oldest[query] - 1)
        bound = oldest[query]
        while query < end and lower < stop:
            here = oldest[query]
            falls += here < bound
            bound = here
            older = event_time[lower] < here
            first[query] = min(lower, last[query])
            lower += older
            query += 1 - older
        while query < end:
            falls += oldest[query] < bound
            bound = oldest[query]
            first[query] = last[query]
            query += 1
    return falls == 0


@kernel
def _search_since(
    event_starts: Starts, event_time: Times, query_starts: Starts, oldest: Integers, last: Positions, first: Positions
) -> None:
    """The same where clocks were set back and a window reaches further back than the one before: a search a query."""
    for key in range(len(query_starts) - 1):
        for query in range(query_starts[key], query_starts[key + 1]):
            lower = _first_above(event_time, event_starts[key], event_starts[key + 1], oldest[query] - 1)
            first[query] = min(lower, last[query])


@kernel
def _bound_newest(
    event_starts: Starts,
    visible_at: Times,
    ordered: bool,  # noqa: FBT001  # compiled functions take no keywords
    query_starts: Starts,
    query_time: Times,
    n_events: int,
    last: Positions,
    first: Positions,
) -> None:
    for key in range(len(query_starts) - 1):
        start = event_starts[key]
        for query in range(query_starts[key], query_starts[key + 1]):
            if ordered:
                first[query] = max(start, last[query] - n_events)
                continue
            place, missing, newest = last[query], n_events, last[query]
            while place > start and missing > 0:
                place -= 1
                if visible_at[place] <= query_time[query]:
                    newest = place
                    missing -= 1
            first[query] = newest


@kernel
def _bound_session(
    event_starts: Starts,
    event_time: Times,
    visible_at: Times,
    ordered: bool,  # noqa: FBT001  # compiled functions take no keywords
    query_starts: Starts,
    query_time: Times,
    gap_us: int,
    last: Positions,
    first: Positions,
) -> None:
    session = np.empty(len(event_time), dtype=np.int64)  # first place of the session an event belongs to
    for key in range(len(query_starts) - 1):
        begin, end = query_starts[key], query_starts[key + 1]
        if begin == end:
            continue
        start = event_starts[key]
        if ordered:
            for place in range(start, last[end - 1]):
                joins = place > start and event_time[place] - event_time[place - 1] <= gap_us
                session[place] = session[place - 1] if joins else place
        for query in range(begin, end):
            upper, now = last[query], query_time[query]
            if ordered:
                is_open = upper > start and now - event_time[upper - 1] <= gap_us
                first[query] = session[upper - 1] if is_open else upper
                continue
            place, oldest, newer = upper, upper, now
            while place > start and newer - event_time[place - 1] <= gap_us:
                place -= 1
                if visible_at[place] <= now:
                    oldest, newer = place, event_time[place]
            first[query] = oldest


@kernel
def _activation(starts: Starts, visible_at: Times) -> Positions:
    """Places of the events of each key by (visible_at, place)."""
    order = np.empty(len(visible_at), dtype=np.int64)
    for key in range(len(starts) - 1):
        begin, end = starts[key], starts[key + 1]
        order[begin:end] = begin + np.argsort(visible_at[begin:end], kind="mergesort")
    return order


@kernel
def _window_moves(
    event_starts: Starts,
    visible_at: Times,
    activation: Positions,
    query_starts: Starts,
    query_time: Times,
    first: Positions,
    extra: Positions,
    ends: Positions,
) -> Positions:
    moves = np.empty(2 * len(visible_at) + 2 * len(extra) + 16, dtype=np.int64)
    n_moves = 0
    ordered = len(activation) == 0
    inside = np.zeros(len(visible_at), dtype=np.bool_)
    for key in range(len(query_starts) - 1):
        begin, end = query_starts[key], query_starts[key + 1]
        if begin == end:
            continue
        start, stop = event_starts[key], event_starts[key + 1]
        low, added = first[begin], -1
        entered = low if ordered else start
        for query in range(begin, end):
            now = query_time[query]
            most = n_moves + (stop - entered) + abs(first[query] - low) + 3
            if most > len(moves):
                larger = np.empty(2 * most, dtype=np.int64)
                larger[:n_moves] = moves[:n_moves]
                moves = larger
            if added >= 0:
                inside[added] = False
                moves[n_moves] = ~added
                n_moves += 1
            while low < first[query]:
                if inside[low]:
                    inside[low] = False
                    moves[n_moves] = ~low
                    n_moves += 1
                low += 1
            while low > first[query]:  # the window reaches further back than before
                low -= 1
                if visible_at[low] <= now:
                    inside[low] = True
                    moves[n_moves] = low
                    n_moves += 1
            while entered < stop:
                place = entered if ordered else activation[entered]
                if visible_at[place] > now:
                    break
                entered += 1
                if place >= low and not inside[place]:
                    inside[place] = True
                    moves[n_moves] = place
                    n_moves += 1
            added = extra[query] if len(extra) > 0 else -1
            if added >= 0:
                inside[added] = True
                moves[n_moves] = added
                n_moves += 1
            ends[query] = n_moves
        if n_moves + (stop - start) > len(moves):
            larger = np.empty(2 * len(moves) + (stop - start), dtype=np.int64)
            larger[:n_moves] = moves[:n_moves]
            moves = larger
        for place in range(start, stop):
            if inside[place]:
                inside[place] = False
                moves[n_moves] = ~place
                n_moves += 1
    return moves[:n_moves].copy()


@kernel
def _first_above(values: Times, begin: int, end: int, bound: int) -> int:
    while begin < end:
        middle = (begin + end) // 2
        if values[middle] > bound:
            end = middle
        else:
            begin = middle + 1
    return begin
