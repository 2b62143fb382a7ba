"""Window statistics on the CPU: group what is asked for into passes, and cut the queries into tasks.

Where visibility is ordered within every key, what a query sees is a prefix of its group: windows are ranges, and prefix
sums answer them. Otherwise a sweep enters events into trees as they become visible. Both give the same bits, because a
window's integers depend on its events alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from headrace_kernels.arrays import (
    ExactRangeError,
    GroupedEvents,
    GroupedQueries,
    Statistic,
    ValueColumn,
    WindowRequest,
)
from headrace_kernels.cpu import bounds
from headrace_kernels.cpu.passes import ExtremesPass, MomentsPass, Pass, Sweep, Task
from headrace_kernels.cpu.scaling import LIMIT, ScaledColumn, scale_column
from headrace_kernels.dtypes import Integers, Matrix

_SUMS = frozenset({Statistic.SUM, Statistic.MEAN, Statistic.VAR, Statistic.STD})
_EXTREMES = ((Statistic.MAX, 1.0), (Statistic.MIN, -1.0))
_COUNTS = frozenset({Statistic.COUNT, Statistic.COUNT_NON_NULL})


def aggregate_windows(
    events: GroupedEvents,
    queries: GroupedQueries,
    columns: Sequence[ValueColumn],
    requests: Sequence[WindowRequest],
    out: Matrix,
    *,
    threads: int = 1,
) -> None:
    """Write the statistics of the events visible at each query into the matrix; see the reference for the policy.

    Complexity: O(events + queries * statistics) where visibility is ordered, else times log(events of a key).

    Args:
        events: grouped events.
        queries: grouped queries; `rows` are rows of `out`.
        columns: value columns in the event table's order.
        requests: what to write where.
        out: float32[n_rows, n_features], C-contiguous; only the requested columns are written.
        threads: worker threads; the bits do not depend on their number.

    Raises:
        ExactRangeError: a value, or (events in a window) * (largest magnitude), leaves the exact range.
    """
    scaled = scale_columns(columns, requests)
    tasks = plan_windows(events, queries, scaled, requests, out, n_tasks=threads)
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(task) for task in tasks]:
            future.result()


def scale_columns(columns: Sequence[ValueColumn], requests: Sequence[WindowRequest]) -> list[ScaledColumn]:
    """Make value columns ready for `plan_windows`; worth sharing between keys.

    Raises:
        ExactRangeError: a value does not fit 64 bits at its column's resolution.
    """
    scaled = []
    for index, column in enumerate(columns):
        mine = [request for request in requests if request.column == index]
        thresholds = dict.fromkeys(request.above for request in mine if request.statistic == Statistic.SHARE)
        sums = any(request.statistic in _SUMS for request in mine)
        scaled.append(scale_column(column, index, sums=sums, thresholds=tuple(thresholds)))
    return scaled


def plan_windows(
    events: GroupedEvents,
    queries: GroupedQueries,
    columns: Sequence[ScaledColumn],
    requests: Sequence[WindowRequest],
    out: Matrix,
    *,
    n_tasks: int,
) -> list[Task]:
    """Build what the queries share and give the tasks that answer them.

    Args:
        events: grouped events.
        queries: grouped queries; `rows` are rows of `out`.
        columns: value columns from `scale_columns`.
        requests: what to write where.
        out: float32[n_rows, n_features], C-contiguous.
        n_tasks: how many tasks to cut the queries into, about.

    Raises:
        ExactRangeError: (events in a window) * (largest magnitude) leaves the exact range.
    """
    widths = np.unique(np.array([request.width_us for request in requests], dtype=np.int64))
    _write_keyless(queries, requests, out)
    _check_range(events, queries, columns, widths)
    sweep = Sweep(events, queries, widths, out)
    passes: list[Pass] = []
    counts = [request for request in requests if request.column is None]
    for index, column in enumerate(columns):
        mine = [request for request in requests if request.column == index]
        moments = [request for request in mine if request.statistic not in {kind for kind, _ in _EXTREMES}]
        if moments:
            passes.append(MomentsPass(sweep, column, [*moments, *counts]))
            counts = []
        for kind, sign in _EXTREMES:
            if chosen := [request for request in mine if request.statistic == kind]:
                passes.append(ExtremesPass(sweep, column, chosen, sign))
    if counts:
        passes.append(MomentsPass(sweep, None, counts))
    return sweep.tasks(passes, n_tasks)


def _write_keyless(queries: GroupedQueries, requests: Sequence[WindowRequest], out: Matrix) -> None:
    if len(queries.groups.rows) == len(out):
        return
    keyless = np.ones(len(out), dtype=np.bool_)
    keyless[queries.groups.rows] = False
    for request in requests:
        out[keyless, request.slot] = 0.0 if request.statistic in _COUNTS else np.nan


def _check_range(
    events: GroupedEvents, queries: GroupedQueries, columns: Sequence[ScaledColumn], widths: Integers
) -> None:
    largest_group = int(np.diff(events.groups.starts).max(initial=0))
    for index, column in enumerate(columns):
        if largest_group * column.largest < LIMIT:
            continue
        most = _most_events(events, queries, widths)
        if most * column.largest >= LIMIT:
            raise ExactRangeError(
                f"{most} events in a window, with values up to {column.largest * column.unit:g}, leave the exact range "
                f"of sums at a resolution of 2**{-column.bits}",
                index,
            )


def _most_events(events: GroupedEvents, queries: GroupedQueries, widths: Integers) -> int:
    n_queries = len(queries.time)
    first, last = np.empty((n_queries, len(widths)), np.int64), np.empty(n_queries, np.int64)
    bounds.sweep_bounds(
        events.groups.starts, events.time, events.time + 1, queries.groups.starts, queries.time, widths,
        0, n_queries, first, last,
    )  # fmt: skip
    return int((last - first.min(axis=1)).max(initial=0))
