"""Passes over the queries: each writes some statistics of one value column, for a range of queries at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import GroupedEvents, GroupedQueries, Statistic, WindowRequest
from headrace_kernels.cpu import bounds, extremes, moments
from headrace_kernels.cpu.grouping import group_rows
from headrace_kernels.cpu.scaling import ScaledColumn
from headrace_kernels.dtypes import Floats, Integers, Matrix, Positions

Task: TypeAlias = Callable[[], None]
"""A piece of work that writes its own cells of the matrix; tasks run in any order, on any thread."""

_NONE: Floats = np.zeros(0, dtype=np.float64)
_FIRST_SHARE_SLOT = 6


@dataclass(frozen=True)
class Span:
    """A range of queries and where their windows begin and end.

    Attributes:
        begin: place of the first query.
        end: place after the last.
        keys: first key and key after the last, where the span holds whole keys.
        first: int64[end - begin, n_widths].
        last: int64[end - begin].
    """

    begin: int
    end: int
    keys: tuple[int, int]
    first: Integers
    last: Integers


class Pass(Protocol):
    """Statistics of one column, ready to be written for any span."""

    def write(self, span: Span) -> None:
        """Write the span's cells of the matrix."""
        ...


@dataclass(frozen=True)
class Sweep:
    """What every pass over one grouping shares.

    Attributes:
        events: grouped events.
        queries: grouped queries.
        widths: int64[n_widths], ascending.
        out: float32[n_rows, n_features].
    """

    events: GroupedEvents
    queries: GroupedQueries
    widths: Integers
    out: Matrix

    @cached_property
    def activation(self) -> Positions:
        """int64[n_events], places of the events of each key by (visible_at, place)."""
        starts = self.events.groups.starts
        codes = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
        order = np.argsort(self.events.visible_at, kind="stable").astype(np.int64, copy=False)
        return group_rows(codes, order, len(starts) - 1).rows

    @cached_property
    def limit(self) -> Integers:
        """int64[n_events], an event may be in a window when `limit <= q`: visible, or at least in the past."""
        return self.events.visible_at if self.events.ordered else self.events.time + 1

    def slots(self, requests: Sequence[WindowRequest], statistic: Statistic, above: float = 0.0) -> Integers:
        """int64[n_widths], the matrix's column of a statistic at each width, or -1."""
        columns = np.full(len(self.widths), -1, dtype=np.int64)
        for request in requests:
            if request.statistic == statistic and (statistic != Statistic.SHARE or request.above == above):
                columns[np.searchsorted(self.widths, request.width_us)] = request.slot
        return columns

    def tasks(self, passes: Sequence[Pass], n_tasks: int) -> list[Task]:
        """Cut the queries into about `n_tasks` spans of equal size, at whole keys where the passes need them."""
        if not self.events.ordered:
            _ = self.activation  # built once, before tasks share it
        starts, n_queries = self.queries.groups.starts, len(self.queries.time)
        cuts = [n_queries * part // n_tasks for part in range(n_tasks + 1)]
        keys = [int(key) for key in np.searchsorted(starts, cuts, side="left")]
        if not self.events.ordered:
            cuts = [int(starts[key]) for key in keys]
        ranges = zip(cuts[:-1], cuts[1:], keys[:-1], keys[1:], strict=True)
        return [partial(self._run, passes, begin, end, (low, high)) for begin, end, low, high in ranges if begin < end]

    def _run(self, passes: Sequence[Pass], begin: int, end: int, keys: tuple[int, int]) -> None:
        first = np.empty((end - begin, len(self.widths)), dtype=np.int64)
        last = np.empty(end - begin, dtype=np.int64)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # only speaks where the JIT is off
            bounds.sweep_bounds(
                self.events.groups.starts, self.events.time, self.limit,
                self.queries.groups.starts, self.queries.time, self.widths, begin, end, first, last,
            )  # fmt: skip
            span = Span(begin, end, keys, first, last)
            for each in passes:
                each.write(span)


class MomentsPass:
    """Counts, sums, means, variances and shares of one column, or counts of events alone."""

    def __init__(self, sweep: Sweep, column: ScaledColumn | None, requests: Sequence[WindowRequest]) -> None:
        self.sweep = sweep
        self.unit = column.unit if column else 1.0
        thresholds = column.thresholds if column else ()
        shares = [sweep.slots(requests, Statistic.SHARE, above) for above in thresholds]
        moments_slots = [sweep.slots(requests, Statistic(kind)) for kind in range(_FIRST_SHARE_SLOT)]
        self.slots = np.ascontiguousarray(np.stack([*moments_slots, *shares], axis=1))
        self.lane_of, n_lanes = _lanes(column, {request.statistic for request in requests})
        tree_lanes = 0 if sweep.events.ordered else 1
        self.lanes = np.zeros((len(sweep.events.time) + 1, n_lanes + tree_lanes), dtype=np.int64)
        with np.errstate(over="ignore"):  # prefix sums may wrap
            if column is not None:
                values = column.values if column.special else _NONE
                moments.fill_lanes(
                    sweep.events.groups.rows, column.scaled, column.valid, values, column.above,
                    self.lane_of, self.lanes,
                )  # fmt: skip
            if sweep.events.ordered:
                moments.accumulate(self.lanes)
            else:
                self.lanes[1:, -1] = 1

    def write(self, span: Span) -> None:
        """Write the span's cells of the matrix."""
        events, queries = self.sweep.events, self.sweep.queries
        rows = queries.groups.rows[span.begin : span.end]
        if events.ordered:
            moments.write_prefix(
                self.lanes, self.lane_of, span.first, span.last, rows, self.slots, self.unit, self.sweep.out
            )
            return
        moments.write_tree(
            self.lanes, self.lane_of, events.groups.starts, self.sweep.activation, events.visible_at,
            queries.groups.starts, queries.time, span.first, span.last, rows, self.slots, self.unit,
            *span.keys, self.sweep.out,
        )  # fmt: skip


class ExtremesPass:
    """Largest (`sign` 1) or smallest (`sign` -1) value of one column."""

    def __init__(self, sweep: Sweep, column: ScaledColumn, requests: Sequence[WindowRequest], sign: float) -> None:
        self.sweep = sweep
        self.sign = sign
        self.slots = sweep.slots(requests, requests[0].statistic)
        rows = sweep.events.groups.rows
        self.values = column.values[rows] * sign
        self.present: npt.NDArray[np.int8] = np.where(np.isnan(self.values), 2, 1).astype(np.int8)
        if len(column.valid):
            self.present[~column.valid[rows]] = 0

    def write(self, span: Span) -> None:
        """Write the span's cells of the matrix."""
        events, queries = self.sweep.events, self.sweep.queries
        rows = queries.groups.rows[span.begin : span.end]
        if events.ordered:
            extremes.write_sliding(
                self.values, self.present, events.groups.starts, queries.groups.starts, span.begin, span.end,
                span.first, span.last, rows, self.slots, self.sign, self.sweep.out,
            )  # fmt: skip
            return
        extremes.write_tree_extremes(
            self.values, self.present, events.groups.starts, self.sweep.activation, events.visible_at,
            queries.groups.starts, queries.time, span.first, span.last, rows, self.slots, self.sign,
            *span.keys, self.sweep.out,
        )  # fmt: skip


def _lanes(column: ScaledColumn | None, statistics: set[Statistic]) -> tuple[Integers, int]:
    """Lane of each quantity (-1: not needed) and their number; without a null the events are the values."""
    n_thresholds = len(column.thresholds) if column else 0
    lane_of = np.full(moments.FIXED_LANES + n_thresholds, -1, dtype=np.int64)
    if column is None:
        return lane_of, 0
    needed = []
    if len(column.valid):
        needed.append(moments.VALUE)
    if statistics & {Statistic.SUM, Statistic.MEAN, Statistic.VAR, Statistic.STD}:
        needed.append(moments.SUM)
    if statistics & {Statistic.VAR, Statistic.STD}:
        needed += [moments.SQUARE, moments.SQUARE + 1, moments.SQUARE + 2]
    if column.special:
        needed += [moments.NAN, moments.PLUS_INF, moments.MINUS_INF]
    needed += [moments.FIXED_LANES + threshold for threshold in range(n_thresholds)]
    lane_of[needed] = np.arange(len(needed))
    return lane_of, len(needed)
