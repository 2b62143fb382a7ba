"""Passes over queries: each writes some statistics of one value column, for any selection of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import GroupedEvents, GroupedQueries, Statistic, WindowRequest
from headrace_kernels.cpu import extremes, moments
from headrace_kernels.cpu.grouping import group_rows, order_times
from headrace_kernels.cpu.scaling import ScaledColumn
from headrace_kernels.dtypes import Floats, Integers, Matrix, Positions

_NONE: Floats = np.zeros(0, dtype=np.float64)
_FIRST_SHARE_SLOT = 6


@dataclass(frozen=True)
class Span:
    """Queries, and where their windows begin and end.

    Attributes:
        queries: grouped queries.
        first: int64[n_queries, n_widths], place of each window's first event.
        last: int64[n_queries], place after its last event.
    """

    queries: GroupedQueries
    first: Integers
    last: Integers


class Pass(Protocol):
    """Statistics of one column, ready to be written for any queries."""

    def write(self, span: Span, out: Matrix) -> None:
        """Write the queries' cells of the matrix."""
        ...


@dataclass(frozen=True)
class Sweep:
    """What every pass over one grouping of events shares.

    Attributes:
        events: grouped events.
        widths: int64[n_widths], ascending.
    """

    events: GroupedEvents
    widths: Integers

    @cached_property
    def activation(self) -> Positions:
        """int64[n_events], places of the events of each key by (visible_at, place); empty where they are in order."""
        if self.events.ordered:
            return np.zeros(0, dtype=np.int64)
        starts = self.events.groups.starts
        codes = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
        return group_rows(codes, order_times(self.events.visible_at), len(starts) - 1).rows

    def slots(self, requests: Sequence[WindowRequest], statistic: Statistic, above: float = 0.0) -> Integers:
        """int64[n_widths], the matrix's column of a statistic at each width, or -1."""
        columns = np.full(len(self.widths), -1, dtype=np.int64)
        for request in requests:
            if request.statistic == statistic and (statistic != Statistic.SHARE or request.above == above):
                columns[np.searchsorted(self.widths, request.width_us)] = request.slot
        return columns


class MomentsPass:
    """Counts, sums, means, variances and shares of one column, or counts of events alone."""

    def __init__(self, sweep: Sweep, column: ScaledColumn | None, requests: Sequence[WindowRequest]) -> None:
        self.sweep = sweep
        self.unit = column.unit if column else 1.0
        shares = [sweep.slots(requests, Statistic.SHARE, above) for above in (column.thresholds if column else ())]
        others = [sweep.slots(requests, Statistic(kind)) for kind in range(_FIRST_SHARE_SLOT)]
        self.slots = np.ascontiguousarray(np.stack([*others, *shares], axis=1))
        self.lane_of, n_lanes = _lanes(column, {request.statistic for request in requests})
        tree_lanes = 0 if sweep.events.ordered else 1
        self.lanes = np.zeros((len(sweep.events.time) + 1, n_lanes + tree_lanes), dtype=np.int64)
        if column is not None:
            values = column.values if column.special else _NONE
            rows = sweep.events.groups.rows
            moments.fill_lanes(rows, column.scaled, column.valid, values, column.above, self.lane_of, self.lanes)
        if sweep.events.ordered:
            moments.accumulate(self.lanes)
        else:
            self.lanes[1:, -1] = 1

    def write(self, span: Span, out: Matrix) -> None:
        """Write the queries' cells of the matrix."""
        events, queries = self.sweep.events, span.queries
        ends = (span.first, span.last, queries.groups.rows)
        if events.ordered:
            moments.write_prefix(self.lanes, self.lane_of, *ends, self.slots, self.unit, out)
            return
        moments.write_tree(
            self.lanes, self.lane_of, self.sweep.activation, events.visible_at,
            events.groups.starts, queries.groups.starts, queries.time, *ends, self.slots, self.unit, out,
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

    def write(self, span: Span, out: Matrix) -> None:
        """Write the queries' cells of the matrix."""
        events, queries = self.sweep.events, span.queries
        ends = (span.first, span.last, queries.groups.rows)
        starts = (events.groups.starts, queries.groups.starts)
        if events.ordered:
            extremes.write_sliding(self.values, self.present, *starts, *ends, self.slots, self.sign, out)
            return
        extremes.write_tree_extremes(
            self.values, self.present, self.sweep.activation, events.visible_at,
            *starts, queries.time, *ends, self.slots, self.sign, out,
        )  # fmt: skip


def _lanes(column: ScaledColumn | None, statistics: set[Statistic]) -> tuple[Integers, int]:
    """Lane of each quantity (-1: not needed) and their number; where nothing is null, the events are the values."""
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
