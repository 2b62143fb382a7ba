"""Group rows by key and order them in time, with Python's own stable sort."""

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import GroupedEvents, GroupedQueries, Groups
from headrace_kernels.dtypes import Codes, Positions, Times


def group_rows(codes: Codes, order: Positions, n_keys: int) -> Groups:
    """Rows by key, within a key in the given order.

    Args:
        codes: int32[n], key of each row, or -1 for none: such rows are left out.
        order: int64[m], the rows to group, each at most once.
        n_keys: number of keys.
    """
    rows = sorted((int(row) for row in order if codes[row] >= 0), key=lambda row: int(codes[row]))
    counts = [sum(1 for row in rows if codes[row] == key) for key in range(n_keys)]
    return Groups(np.cumsum([0, *counts], dtype=np.int64), np.array(rows, dtype=np.int64))


def group_events(codes: Codes, time: Times, visible_at: Times, n_keys: int) -> GroupedEvents:
    """Events by key, within a key by (time, visible_at, position).

    Args:
        codes: int32[n], key of each event, or -1 for none.
        time: int64[n], event times.
        visible_at: int64[n], first query time that sees the event.
        n_keys: number of keys.
    """
    order = np.array(sorted(range(len(codes)), key=lambda row: (time[row], visible_at[row])), dtype=np.int64)
    groups = group_rows(codes, order, n_keys)
    visible = visible_at[groups.rows]
    ordered = all(
        visible[place] <= visible[place + 1]
        for key in range(n_keys)
        for place in range(groups.starts[key], groups.starts[key + 1] - 1)
    )
    return GroupedEvents(groups, time[groups.rows], visible, ordered)


def group_queries(codes: Codes, time: Times, n_keys: int) -> GroupedQueries:
    """Queries by key, within a key by (time, position)."""
    order = np.array(sorted(range(len(codes)), key=lambda row: int(time[row])), dtype=np.int64)
    groups = group_rows(codes, order, n_keys)
    return GroupedQueries(groups, time[groups.rows])
