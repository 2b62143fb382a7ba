"""Which events each window holds, one list a query: what every other reference function of windows starts from."""

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries, WindowFrames
from headrace_kernels.dtypes import Integers
from headrace_kernels.reference import frames as reference


def members(frames: WindowFrames) -> list[list[int]]:
    """Places of each query's events, in the groups' order, the query's own event last."""
    held = []
    for query, now in enumerate(frames.queries.time):
        places = range(int(frames.first[query]), int(frames.last[query]))
        inside = [place for place in places if frames.events.visible_at[place] <= now]
        if len(frames.extra) and frames.extra[query] >= 0:
            inside.append(int(frames.extra[query]))
        held.append(inside)
    return held


def make_frames(events: GroupedEvents, queries: GroupedQueries, oldest: Integers, extra: Integers) -> WindowFrames:
    """Frames of the windows [oldest, q) with everything filled in.

    Args:
        events: grouped events.
        queries: grouped queries.
        oldest: int64[n_queries], earliest event time of each window.
        extra: int64[n_queries] or int64[0], the queries' own events.
    """
    last = reference.bound_visible(events, queries)
    first = reference.bound_since(events, queries, oldest, last)
    if len(extra):
        extra = np.where((extra >= first) & (extra < last) & (events.visible_at[extra] <= queries.time), -1, extra)
    moves, ends = reference.window_moves(events, queries, first, last, extra)
    return WindowFrames(events, queries, first, last, extra, moves, ends)
