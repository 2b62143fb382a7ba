"""Blocks of features on a device: the same windows and lookups as on the CPU, over a chunk's rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from headrace.features.definition.spans import WindowSpan
from headrace.features.executor.bounds import oldest_times
from headrace.features.executor.device.chunks import Chunk, ChunkTable
from headrace.features.executor.device.columns import DeviceColumns
from headrace.features.executor.spine import Spine
from headrace.features.executor.states import StateBlock
from headrace.features.executor.windows import WindowBlock
from headrace_kernels.arrays import EventTimes, GroupedEvents, GroupedQueries, WindowFrames
from headrace_kernels.cuda import asof, device, frames, grouping, partitions, rows
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.dtypes import MAX_TIME_US, Flags, Times


@dataclass(frozen=True)
class ChunkRows:
    """One chunk on the current device.

    Attributes:
        chunk: which keys.
        events: the rows of the events' table.
        asking: the rows that ask; the same object where both are one.
    """

    chunk: Chunk
    events: ChunkTable
    asking: ChunkTable

    def group_events(self, times: EventTimes, kept: Flags | None) -> GroupedEvents:
        """Order the chunk's events; `times` are those of the whole table, rows of the result count in the chunk."""
        chosen, codes = partitions.select_rows(
            self.events.codes, self.events.column(kept), self.chunk.low, self.chunk.n_keys
        )
        time, known, sequence = (self._of(values, chosen) for values in (times.time, times.known, times.sequence))
        here = replace(times, time=time, known=known, sequence=sequence)
        return grouping.group_events(chosen, codes, self.chunk.low, self.chunk.n_keys, here)

    def group_queries(self, query_time: Times) -> GroupedQueries:
        """Order the chunk's queries, whose times are those of the whole spine."""
        chosen, codes = partitions.select_rows(self.asking.codes, None, self.chunk.low, self.chunk.n_keys)
        time = taken(self.asking.column(query_time), chosen)
        return grouping.group_queries(chosen, codes, self.chunk.low, self.chunk.n_keys, time)

    def _of(self, values: Any, chosen: DeviceArray) -> Any:
        return None if values is None else taken(self.events.column(values), chosen)


class DeviceBlock(Protocol):
    """Features that read one table in one way, on a device."""

    slots: list[int]

    def prepare(self, here: ChunkRows) -> Any:
        """Order a chunk's events; the result has them as `events`."""
        ...

    def write(self, prepared: Any, here: ChunkRows, queries: GroupedQueries, out: DeviceArray) -> None:
        """Write the features of queries: float[n_features, n_queries] on the device."""
        ...


@dataclass(frozen=True)
class PreparedEvents:
    """A chunk's events and, for windows, the values they have."""

    events: GroupedEvents
    columns: DeviceColumns | None = None


class WindowsOnDevice:
    """Window features that share a view, a condition, a key and whether peers count.

    Args:
        block: the same features for the CPU.
        spine: the rows that ask.
    """

    def __init__(self, block: WindowBlock, spine: Spine) -> None:
        self.block = block
        self.slots = block.slots
        self._spine = spine
        self._oldest: dict[WindowSpan, Times] = {}

    def prepare(self, here: ChunkRows) -> PreparedEvents:
        """Order a chunk's events."""
        events = here.group_events(self.block.times, self.block.kept)
        return PreparedEvents(
            events, DeviceColumns(self.block.view, self.block.events, here.events, events.groups.rows)
        )

    def write(self, prepared: PreparedEvents, here: ChunkRows, queries: GroupedQueries, out: DeviceArray) -> None:
        """Write the features of queries.

        Raises:
            InvalidInputError: a value or a sum leaves the exact range.
        """
        events, columns = prepared.events, prepared.columns
        assert columns is not None
        nothing = device.empty(0, np.int64)
        last = frames.bound_visible(events, queries)
        for span, statistics in self.block.spans.items():
            first = self._first_places(span, here, events, queries, last)
            extra = self._own_events(here, events, queries) if span.include_current else nothing
            window = WindowFrames(events, queries, first, last, extra, nothing, nothing)
            for each in statistics:
                lines = out[each.line : each.line + len(each.requests)]
                columns.write(each.family, window, each.sources, each.requests, lines)

    def _first_places(
        self, span: WindowSpan, here: ChunkRows, events: GroupedEvents, queries: GroupedQueries, last: DeviceArray
    ) -> DeviceArray:
        inclusive = span.closed not in {"right", "none"}
        match span.kind:
            case "count":
                assert span.events is not None
                return frames.bound_newest(events, queries, span.events, last)
            case "session":
                assert span.width_us is not None
                return frames.bound_session(events, queries, span.width_us, last)
            case "expanding":
                return frames.bound_width(events, queries, 2 * MAX_TIME_US, last, inclusive=True)
            case "duration":
                assert span.width_us is not None
                return frames.bound_width(events, queries, span.width_us, last, inclusive=inclusive)
            case _:
                oldest = taken(here.asking.column(self._oldest_times(span, inclusive=inclusive)), queries.groups.rows)
                return frames.bound_since(events, queries, oldest, last)

    def _oldest_times(self, span: WindowSpan, *, inclusive: bool) -> Times:
        """Where the calendar windows of all spine rows begin: clocks are read on the CPU."""
        if span not in self._oldest:
            assert span.tz is not None
            oldest = oldest_times(span, self._spine.query_time, self.block.clocks[span.tz])
            self._oldest[span] = oldest if inclusive else oldest + 1
        return self._oldest[span]

    def _own_events(self, here: ChunkRows, events: GroupedEvents, queries: GroupedQueries) -> DeviceArray:
        mine, asking = here.events.table_rows(events.groups), here.asking.table_rows(queries.groups)
        return frames.own_events(
            replace(events, groups=mine), replace(queries, groups=asking), self.block.first_asking,
            self.block.events.n_rows,
        )  # fmt: skip


class StatesOnDevice:
    """Columns of the last state known at q.

    Args:
        block: the same lookups for the CPU; remembers the matches.
    """

    def __init__(self, block: StateBlock) -> None:
        self.block = block
        self.slots = block.slots

    def prepare(self, here: ChunkRows) -> PreparedEvents:
        """Order a chunk's states."""
        return PreparedEvents(here.group_events(self.block.times, self.block.kept))

    def write(self, prepared: PreparedEvents, here: ChunkRows, queries: GroupedQueries, out: DeviceArray) -> None:
        """Write the columns of the states met."""
        matches = asof.match_states(prepared.events, queries, self.block.tolerance_us)
        if self.block.matches is not None:
            met, asking = device.get(matches), device.get(here.asking.table_rows(queries.groups).rows)
            if here.chunk.events is not None:
                met = np.where(met >= 0, here.chunk.events[met], -1) if len(here.chunk.events) else met
            self.block.matches[asking] = met
        for line, column in enumerate(self.block.columns):
            asof.take_matches(here.events.column(column), matches, out[line])


def taken(values: DeviceArray, places_of: DeviceArray) -> DeviceArray:
    """The values at some places, on the device."""
    result = device.empty(len(places_of), np.dtype(values.dtype))
    rows.take_rows(values, places_of, result)
    return result
