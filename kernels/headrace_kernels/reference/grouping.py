"""Group the rows of a bucket by key and order them in time, with Python's own stable sort."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import EventTimes, GroupedEvents, GroupedQueries, Groups
from headrace_kernels.dtypes import Codes, Times

Rows = npt.NDArray[np.int32]


def group_rows(rows: Rows, codes: Codes, low: int, n_keys: int) -> Groups:
    """Rows by key, within a key in the given order.

    Args:
        rows: int32[n], rows of a table, each at most once, with keys in [low, low + n_keys).
        codes: int32[n_rows], key of every row of the table.
        low: first key of the bucket.
        n_keys: number of its keys.
    """
    ordered = sorted((int(row) for row in rows), key=lambda row: int(codes[row]))
    counts = [sum(1 for row in rows if codes[row] == low + key) for key in range(n_keys)]
    return Groups(np.cumsum([0, *counts], dtype=np.int64), np.array(ordered, dtype=np.int64))


def group_events(rows: Rows, codes: Codes, low: int, n_keys: int, times: EventTimes) -> GroupedEvents:
    """Events by key, within a key by (time, visible_at, sequence), and of equal ones in the given order.

    Args:
        rows: int32[n], rows of the event table.
        codes: int32[n_rows], key of every row of the table.
        low: first key of the bucket.
        n_keys: number of its keys.
        times: when the table's rows happened and became known.
    """
    visible_at = [_visible_at(times, row) for row in range(len(times.time))]
    sequence = times.sequence if times.sequence is not None else np.zeros(len(times.time), dtype=np.int64)
    order = sorted((int(row) for row in rows), key=lambda row: (times.time[row], visible_at[row], sequence[row]))
    groups = group_rows(np.array(order, dtype=np.int32), codes, low, n_keys)
    visible = np.array([visible_at[row] for row in groups.rows], dtype=np.int64)
    ordered = all(
        visible[place] <= visible[place + 1]
        for key in range(n_keys)
        for place in range(groups.starts[key], groups.starts[key + 1] - 1)
    )
    return GroupedEvents(groups, times.time[groups.rows], visible, ordered)


def group_queries(rows: Rows, codes: Codes, low: int, n_keys: int, time: Times) -> GroupedQueries:
    """Queries by key, within a key by time, and of equal ones in the given order.

    Args:
        rows: int32[n], rows of the spine.
        codes: int32[n_rows], key of every row of the spine.
        low: first key of the bucket.
        n_keys: number of its keys.
        time: int64[n_rows], query times.
    """
    order = sorted((int(row) for row in rows), key=lambda row: int(time[row]))
    groups = group_rows(np.array(order, dtype=np.int32), codes, low, n_keys)
    return GroupedQueries(groups, time[groups.rows])


def _visible_at(times: EventTimes, row: int) -> int:
    seen = int(times.time[row]) + times.lag_us
    return seen if times.known is None else max(seen, int(times.known[row]) + times.delay_us)
