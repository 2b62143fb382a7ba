"""Where each query's window begins and ends among the events of its key, and what enters and leaves in between."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries
from headrace_kernels.dtypes import Integers, Positions


def bound_visible(events: GroupedEvents, queries: GroupedQueries) -> Positions:
    """Place after the last event that each query may see.

    Where visibility is ordered, that is after the last one it does see; otherwise after the last that has happened.

    Args:
        events: grouped events.
        queries: grouped queries.

    Returns:
        int64[n_queries].
    """
    limit = events.visible_at if events.ordered else events.time
    last = np.empty(len(queries.time), dtype=np.int64)
    for query, places in _queries(events, queries):
        last[query] = places.start + sum(1 for place in places if limit[place] <= queries.time[query])
    return last


def bound_since(events: GroupedEvents, queries: GroupedQueries, oldest: Integers, last: Positions) -> Positions:
    """Place of the first event that is not older than a bound.

    Args:
        events: grouped events.
        queries: grouped queries.
        oldest: int64[n_queries], earliest event time that counts.
        last: int64[n_queries], from `bound_visible`.

    Returns:
        int64[n_queries], never after `last`.
    """
    first = np.empty(len(queries.time), dtype=np.int64)
    for query, places in _queries(events, queries):
        older = sum(1 for place in places if events.time[place] < oldest[query])
        first[query] = min(places.start + older, last[query])
    return first


def bound_newest(events: GroupedEvents, queries: GroupedQueries, n_events: int, last: Positions) -> Positions:
    """Place of the n-th newest visible event, or of the first visible one where there are fewer.

    Args:
        events: grouped events.
        queries: grouped queries.
        n_events: how many events a window holds at most, at least 1.
        last: int64[n_queries], from `bound_visible`.

    Returns:
        int64[n_queries], `last` where nothing is visible.
    """
    first = last.copy()
    for query, places in _queries(events, queries):
        seen = _seen(events, queries, query, places, last)
        if seen:
            first[query] = seen[-n_events] if len(seen) >= n_events else seen[0]
    return first


def bound_session(events: GroupedEvents, queries: GroupedQueries, gap_us: int, last: Positions) -> Positions:
    """Place of the first event of the session that is open at the query.

    A session goes on while visible neighbours are at most `gap_us` apart; it is open while its newest event is at most
    `gap_us` old.

    Args:
        events: grouped events.
        queries: grouped queries.
        gap_us: longest pause inside a session, inclusive.
        last: int64[n_queries], from `bound_visible`.

    Returns:
        int64[n_queries], `last` where no session is open.
    """
    first = last.copy()
    for query, places in _queries(events, queries):
        newer = queries.time[query]
        for place in reversed(_seen(events, queries, query, places, last)):
            if newer - events.time[place] > gap_us:
                break
            first[query], newer = place, events.time[place]
    return first


def window_moves(
    events: GroupedEvents, queries: GroupedQueries, first: Positions, last: Positions, extra: Positions
) -> tuple[Positions, Positions]:
    """What enters and leaves the windows as one goes from query to query; `WindowFrames` says how to read it.

    Args:
        events: grouped events.
        queries: grouped queries.
        first: int64[n_queries], place of each window's first event.
        last: int64[n_queries], from `bound_visible`.
        extra: int64[n_queries] or int64[0], one more event of each window, or -1.

    Returns:
        int64[n_moves] and int64[n_queries], where each query's moves end.
    """
    moves: list[int] = []
    ends = np.empty(len(queries.time), dtype=np.int64)
    inside: set[int] = set()
    for query in range(len(queries.time)):
        places = range(int(first[query]), int(last[query]))
        wanted = {place for place in places if events.visible_at[place] <= queries.time[query]}
        if len(extra) and extra[query] >= 0:
            wanted.add(int(extra[query]))
        moves += [~place for place in sorted(inside - wanted)] + sorted(wanted - inside)
        inside = wanted
        ends[query] = len(moves)
    return np.array(moves, dtype=np.int64), ends


def _queries(events: GroupedEvents, queries: GroupedQueries) -> Iterator[tuple[int, range]]:
    for key in range(len(queries.groups.starts) - 1):
        for query in range(queries.groups.starts[key], queries.groups.starts[key + 1]):
            yield query, range(int(events.groups.starts[key]), int(events.groups.starts[key + 1]))


def _seen(events: GroupedEvents, queries: GroupedQueries, query: int, places: range, last: Positions) -> list[int]:
    return [place for place in places if place < last[query] and events.visible_at[place] <= queries.time[query]]
