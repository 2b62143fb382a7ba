"""Run window features: one block for each view and key, sharing its grouping, bounds and prefix sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace.core.errors import DefinitionError, InvalidInputError
from headrace.features.expressions import Column
from headrace.features.keys import KeyCodes, without_rows
from headrace.features.plan import WindowStep
from headrace.features.table_columns import TableColumns
from headrace.features.views import EventView
from headrace_kernels.arrays import ExactRangeError, Statistic, ValueColumn, WindowRequest
from headrace_kernels.cpu import grouping
from headrace_kernels.cpu.windows import PreparedWindows, scale_columns
from headrace_kernels.dtypes import Codes, Flags, Matrix, Positions, Times


@dataclass(frozen=True)
class ViewTimes:
    """When the events of a view happened and from which query time on they are seen.

    Attributes:
        time: int64[n_events].
        visible_at: int64[n_events], later than `time`.
        kept: bool[n_events], False where a time is null; None where none is.
        order: int64[n_events], rows by (time, visible_at, position).
    """

    time: Times
    visible_at: Times
    kept: Flags | None
    order: Positions


@dataclass(frozen=True)
class Spine:
    """The rows that ask.

    Attributes:
        columns: their columns.
        query_time: int64[n_rows].
        order: int64[n_rows], rows by (query time, position).
    """

    columns: TableColumns
    query_time: Times
    order: Positions


def view_times(view: EventView, events: TableColumns) -> ViewTimes:
    """Order a view's events. Null times keep an event out: it has not happened, or nobody knows of it yet."""
    time, kept = events.times(view.event_time)
    known = time
    if view.available_at is not None and view.available_at != view.event_time:
        known, also_kept = events.times(view.available_at)
        kept = also_kept if kept is None else kept if also_kept is None else kept & also_kept
    visible_at = np.maximum(known + view.delay_us, time + 1)
    order = grouping.order_events(time, visible_at, events.time_order(view.event_time))
    return ViewTimes(time, visible_at, kept, order)


@dataclass(frozen=True)
class PreparedBlock:
    """A block that is ready to write any rows.

    Attributes:
        windows: what all rows share.
        codes: int32[n_rows], key of each spine row, or -1.
        n_keys: number of keys.
        spine: the rows that ask.
        out: float32[n_rows, n_features], C-contiguous.
    """

    windows: PreparedWindows
    codes: Codes
    n_keys: int
    spine: Spine
    out: Matrix

    def write(self, rows: Positions) -> None:
        """Write the block's columns for a selection of rows, given in the order of query times: int64[n]."""
        queries = grouping.group_ordered_queries(self.codes, self.spine.query_time, self.n_keys, rows)
        self.windows.write(queries, self.out)
        if len(queries.time) < len(rows):
            self.windows.write_empty(rows[self.codes[rows] < 0], self.out)


class WindowBlock:
    """Window features that share a view and a key."""

    def __init__(
        self, view: EventView, events: TableColumns, steps: Sequence[WindowStep], slots: Sequence[int]
    ) -> None:
        self.view = view
        self.events = events
        self.by, self.on = steps[0].by, steps[0].on
        read = [_column_name(step) for step in steps]
        names = list(dict.fromkeys(name for name in read if name is not None))
        bits = {name: step.resolution_bits[0] for name, step in zip(read, steps, strict=True) if name is not None}
        self.names = names
        self.bits = [bits[name] for name in names]
        self.requests = [
            WindowRequest(
                Statistic[step.statistic.upper()],
                step.span.width_us or 0,
                slot,
                names.index(name) if name is not None else None,
                step.parameter or 0.0,
            )
            for step, name, slot in zip(steps, read, slots, strict=True)
        ]

    def prepare(self, times: ViewTimes, codes: KeyCodes, spine: Spine, out: Matrix) -> PreparedBlock:
        """Group the events and build what all rows share.

        Args:
            times: the view's times.
            codes: keys of the view's table (left) and of the spine (right).
            spine: the rows that ask.
            out: float32[n_rows, n_features], C-contiguous.

        Raises:
            InvalidInputError: a value or a sum leaves the exact range.
        """
        events = grouping.group_ordered_events(
            without_rows(codes.left, times.kept), times.time, times.visible_at, codes.n_keys, times.order
        )
        try:
            columns = scale_columns(self._values(), self.requests)
            prepared = PreparedWindows(events, columns, self.requests)
        except ExactRangeError as error:
            raise InvalidInputError(
                f"column '{self.names[error.column]}' of '{self.view.name}': {error}",
                hint=f"declare a coarser step: EventTable('{self.view.name}', ..., resolution=2**-7), for example",
            ) from error
        return PreparedBlock(prepared, codes.right, codes.n_keys, spine, out)

    def _values(self) -> list[ValueColumn]:
        numbers = [self.events.numbers(name) for name in self.names]
        return [ValueColumn(values, valid, bits) for (values, valid), bits in zip(numbers, self.bits, strict=True)]


def _column_name(step: WindowStep) -> str | None:
    """The column a step reads, or None.

    Raises:
        DefinitionError: the step asks for more than this executor runs.
    """
    plain_span = step.span.kind == "duration" and step.span.closed == "left" and not step.span.include_current
    plain_values = all(isinstance(column, Column) for column in step.columns) and len(step.columns) < 2
    plain = plain_span and plain_values and step.where is None and not step.skip_nan and step.empty is None
    if not plain or not step.by or Statistic[step.statistic.upper()] > Statistic.SHARE:
        raise DefinitionError(f"the statistic '{step.statistic}' over '{step.span.label}' cannot be run yet")
    return step.columns[0].name if step.columns and isinstance(step.columns[0], Column) else None
