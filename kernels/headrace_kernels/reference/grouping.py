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
        rows: int32[n], rows of a table.
        codes: int32[n], their keys, in [low, low + n_keys).
        low: first key of the bucket.
        n_keys: number of its keys.
    """
    return _grouped(rows, codes, low, n_keys, list(range(len(rows))))


def group_events(rows: Rows, codes: Codes, low: int, n_keys: int, times: EventTimes) -> GroupedEvents:
    """Events by key, within a key by (time, known, sequence), and of equal ones in the given order.

    Args:
        rows: int32[n], rows of the event table.
        codes: int32[n], their keys.
        low: first key of the bucket.
        n_keys: number of its keys.
        times: when these rows happened and became known: arrays of length n.
    """
    visible_at = [_visible_at(times, rank) for rank in range(len(rows))]
    sequence = times.sequence if times.sequence is not None else np.zeros(len(rows), dtype=np.int64)
    known = times.known if times.known is not None else times.time
    ranks = sorted(range(len(rows)), key=lambda rank: (times.time[rank], known[rank], sequence[rank]))
    groups = _grouped(rows, codes, low, n_keys, ranks)
    order = sorted(ranks, key=lambda rank: int(codes[rank]))
    visible = np.array([visible_at[rank] for rank in order], dtype=np.int64)
    ordered = all(
        visible[place] <= visible[place + 1]
        for key in range(n_keys)
        for place in range(groups.starts[key], groups.starts[key + 1] - 1)
    )
    return GroupedEvents(groups, times.time[np.array(order, dtype=np.int64)], visible, ordered)


def group_queries(rows: Rows, codes: Codes, low: int, n_keys: int, time: Times) -> GroupedQueries:
    """Queries by key, within a key by time, and of equal ones in the given order.

    Args:
        rows: int32[n], rows of the spine.
        codes: int32[n], their keys.
        low: first key of the bucket.
        n_keys: number of its keys.
        time: int64[n], their query times.
    """
    ranks = sorted(range(len(rows)), key=lambda rank: int(time[rank]))
    order = sorted(ranks, key=lambda rank: int(codes[rank]))
    return GroupedQueries(_grouped(rows, codes, low, n_keys, ranks), time[np.array(order, dtype=np.int64)])


def _grouped(rows: Rows, codes: Codes, low: int, n_keys: int, ranks: list[int]) -> Groups:
    counts = [sum(1 for code in codes if code == low + key) for key in range(n_keys)]
    order = sorted(ranks, key=lambda rank: int(codes[rank]))
    return Groups(np.cumsum([0, *counts], dtype=np.int64), np.array([rows[rank] for rank in order], dtype=np.int64))


def _visible_at(times: EventTimes, rank: int) -> int:
    seen = int(times.time[rank]) + times.lag_us
    return seen if times.known is None else max(seen, int(times.known[rank]) + times.delay_us)
