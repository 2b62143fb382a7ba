"""Window statistics on the CPU: what is asked for becomes passes, which any selection of queries then goes through.

Where visibility is ordered within every key, what a query sees is a prefix of its group: windows are ranges, and prefix
sums answer them. Otherwise a sweep enters events into trees as they become visible. Both give the same bits, because a
window's integers depend on its events alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from headrace_kernels.arrays import (
    ExactRangeError,
    GroupedEvents,
    GroupedQueries,
    Groups,
    Statistic,
    ValueColumn,
    WindowRequest,
)
from headrace_kernels.cpu import bounds
from headrace_kernels.cpu.passes import ExtremesPass, MomentsPass, Pass, Span, Sweep
from headrace_kernels.cpu.scaling import LIMIT, ScaledColumn, scale_column
from headrace_kernels.dtypes import Integers, Matrix, Positions

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
    windows = PreparedWindows(events, scale_columns(columns, requests), requests)
    keyless = np.ones(len(out), dtype=np.bool_)
    keyless[queries.groups.rows] = False
    windows.write_empty(np.flatnonzero(keyless), out)
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(windows.write, part, out) for part in split_queries(queries, threads)]:
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


class PreparedWindows:
    """Everything that queries share; any selection of queries, in any order, on any thread, gets the same bits."""

    def __init__(
        self, events: GroupedEvents, columns: Sequence[ScaledColumn], requests: Sequence[WindowRequest]
    ) -> None:
        """Build prefix sums, or what the trees are built from.

        Args:
            events: grouped events.
            columns: value columns from `scale_columns`.
            requests: what to write where.

        Raises:
            ExactRangeError: (events in a window) * (largest magnitude) leaves the exact range.
        """
        widths = np.unique(np.array([request.width_us for request in requests], dtype=np.int64))
        _check_range(events, columns, widths)
        self._sweep = Sweep(events, widths)
        self._limit = events.visible_at if events.ordered else events.time + 1
        self._requests = requests
        with _silence():
            self._passes = list(_passes(self._sweep, columns, requests))
        _ = self._sweep.activation  # built once, before threads share it

    def write(self, queries: GroupedQueries, out: Matrix) -> None:
        """Write the statistics of the queries' windows.

        Args:
            queries: grouped queries, with the events' keys; `rows` are rows of `out`.
            out: float32[n_rows, n_features], C-contiguous; only the queries' rows of the requested columns are written.
        """
        n_queries, events = len(queries.time), self._sweep.events
        first, last = np.empty((n_queries, len(self._sweep.widths)), np.int64), np.empty(n_queries, np.int64)
        with _silence():
            bounds.sweep_bounds(
                events.groups.starts, events.time, self._limit, queries.groups.starts, queries.time,
                self._sweep.widths, first, last,
            )  # fmt: skip
            for each in self._passes:
                each.write(Span(queries, first, last), out)

    def write_empty(self, rows: Positions, out: Matrix) -> None:
        """Write what an empty window gives into rows that have no key: int64[n]."""
        for request in self._requests if len(rows) else ():
            out[rows, request.slot] = 0.0 if request.statistic in _COUNTS else np.nan


def split_queries(queries: GroupedQueries, parts: int) -> list[GroupedQueries]:
    """Cut queries into parts of about equal size, each of neighbouring query times."""
    order, codes = np.argsort(queries.time, kind="stable"), np.arange(len(queries.groups.starts) - 1)
    part_of = np.empty(len(order), dtype=np.int64)
    part_of[order] = np.arange(len(order)) * parts // max(len(order), 1)
    key_of = np.repeat(codes, np.diff(queries.groups.starts))
    cut = []
    for part in range(parts):
        mine = part_of == part
        starts = np.concatenate([[0], np.cumsum(np.bincount(key_of[mine], minlength=len(codes)))]).astype(np.int64)
        cut.append(GroupedQueries(Groups(starts, queries.groups.rows[mine]), queries.time[mine]))
    return cut


def _silence() -> np.errstate:
    """Sums wrap and empty windows divide by nothing, on purpose; NumPy would say so where the JIT is off."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def _passes(sweep: Sweep, columns: Sequence[ScaledColumn], requests: Sequence[WindowRequest]) -> Iterator[Pass]:
    counts = [request for request in requests if request.column is None]
    for index, column in enumerate(columns):
        mine = [request for request in requests if request.column == index]
        if moments := [request for request in mine if request.statistic not in {kind for kind, _ in _EXTREMES}]:
            yield MomentsPass(sweep, column, [*moments, *counts])
            counts = []
        for kind, sign in _EXTREMES:
            if chosen := [request for request in mine if request.statistic == kind]:
                yield ExtremesPass(sweep, column, chosen, sign)
    if counts:
        yield MomentsPass(sweep, None, counts)


def _check_range(events: GroupedEvents, columns: Sequence[ScaledColumn], widths: Integers) -> None:
    largest_group = int(np.diff(events.groups.starts).max(initial=0))
    for index, column in enumerate(columns):
        if largest_group * column.largest < LIMIT:
            continue
        most = int(bounds.most_events(events.groups.starts, events.time, int(widths.max())))
        if most * column.largest >= LIMIT:
            raise ExactRangeError(
                f"{most} events in a window, with values up to {column.largest * column.unit:g}, leave the exact range "
                f"of sums at a resolution of 2**{-column.bits}",
                index,
            )
