"""Window features that share a view, a condition and a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headrace.features.definition.expressions import Expression
from headrace.features.definition.spans import WindowSpan
from headrace.features.executor.bounds import first_places
from headrace.features.executor.bucket import BucketRows
from headrace.features.executor.columns import TableColumns
from headrace.features.executor.local_time import LocalClock
from headrace.features.executor.spine import Spine
from headrace.features.executor.statistics import (
    BucketColumns,
    Family,
    Source,
    family_of,
    follows_moves,
    request_of,
    sources_of,
)
from headrace.features.plan import WindowStep
from headrace.features.planning.step_format import expression_key
from headrace.features.views import EventView
from headrace_kernels.arrays import EventTimes, GroupedEvents, GroupedQueries, StatisticRequest, WindowFrames
from headrace_kernels.cpu import frames
from headrace_kernels.dtypes import MAX_TIME_US, Flags, Floats, Positions, Times

_NONE: Positions = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class SpanStatistics:
    """What one kernel call writes: statistics of the same values over one span, to neighbouring lines of the block."""

    family: Family
    sources: tuple[Source, ...]
    requests: tuple[StatisticRequest, ...]
    line: int


@dataclass(frozen=True)
class PreparedWindows:
    """A bucket's events, ready for any of its queries.

    Attributes:
        events: grouped events.
        columns: the values that statistics read, by place.
    """

    events: GroupedEvents
    columns: BucketColumns


class WindowBlock:
    """Window features that share a view, a condition, a key and whether peers count."""

    def __init__(
        self, view: EventView, events: TableColumns, steps: Sequence[tuple[WindowStep, int]], n_asking: int = 0
    ) -> None:
        """Sort the statistics so that those of one kernel call stand together.

        Args:
            view: how the table is read.
            events: its columns.
            steps: the features' steps and where each goes.
            n_asking: how many of the last rows are no events but the rows that ask, there for `include_current`.
        """
        first = steps[0][0]
        self.view = view.name
        self.events = events
        self.first_asking = events.n_rows - n_asking if n_asking else 0
        asks_itself = any(step.span.include_current for step, _ in steps)
        self.kept = _kept(view, events, first.where, known_only=not asks_itself)
        self.times = _times(view, events, inclusive=_counts_peers(first))
        if asks_itself:
            self.times = _hide(self.times, events, view.available_at, n_asking)
        self.event_time = view.event_time
        self.slots: list[int] = []
        self.spans: dict[WindowSpan, list[SpanStatistics]] = {}
        for members in _kernel_calls(steps):
            chosen = max((step for step, _ in members), key=lambda step: len(step.columns))
            requests = tuple(request_of(step) for step, _ in members)
            statistics = SpanStatistics(family_of(chosen), sources_of(chosen), requests, len(self.slots))
            self.spans.setdefault(chosen.span, []).append(statistics)
            self.slots += [slot for _, slot in members]
        self.clocks: Mapping[str, LocalClock] = {}

    def set_clocks(self, spine: Spine) -> None:
        """Find the offsets of the zones that calendar windows need."""
        zones = {span.tz for span in self.spans if span.tz is not None}
        if zones and len(spine.query_time):
            longest = max((span.months + 1) * 31 + span.days + 370 for span in self.spans) * 86_400_000_000
            first, last = int(spine.query_time.min()) - longest, int(spine.query_time.max())
            self.clocks = {zone: LocalClock(zone, first, last) for zone in zones}

    def queries_are_events(self, spine: Spine) -> bool:
        """Whether the events in time order are the queries in time order, moved by the query's offset."""
        return spine.columns is self.events and self.kept is None and self.event_time == spine.at

    def prepare(self, bucket: BucketRows, time: Times) -> PreparedWindows:
        """Order a bucket's events, whose event times are given: int64[n]."""
        events = bucket.events(self.times, time, self.kept)
        return PreparedWindows(events, BucketColumns(self.view, self.events, events.groups.rows))

    def write(self, prepared: PreparedWindows, queries: GroupedQueries, out: Floats) -> None:
        """Write the features of queries: float64[n_features, n_queries].

        Raises:
            InvalidInputError: a value or a sum leaves the exact range.
        """
        events = prepared.events
        last = frames.bound_visible(events, queries)
        for span, statistics in self.spans.items():
            clock = self.clocks.get(span.tz) if span.tz is not None else None
            first = first_places(span, events, queries, last, clock)
            extra = self._own_events(events, queries) if span.include_current else _NONE
            moves, ends = _NONE, _NONE
            if any(follows_moves(each.family, ordered=events.ordered) for each in statistics):
                moves, ends = frames.window_moves(events, queries, first, last, extra)
            window = WindowFrames(events, queries, first, last, extra, moves, ends)
            for each in statistics:
                lines = out[each.line : each.line + len(each.requests)]
                prepared.columns.write(each.family, window, each.sources, each.requests, lines)

    def _own_events(self, events: GroupedEvents, queries: GroupedQueries) -> Positions:
        """Place of each query's own row, which is never among the visible ones; -1 where it takes no part."""
        order = np.argsort(events.groups.rows)
        ranked, mine = events.groups.rows[order], queries.groups.rows + self.first_asking
        if not len(ranked):
            return np.full(len(mine), -1, dtype=np.int64)
        rank = np.minimum(np.searchsorted(ranked, mine), len(ranked) - 1)
        return np.where(ranked[rank] == mine, order[rank], -1)


def block_key(step: WindowStep) -> tuple[str, str, bool]:
    """Steps with one key and equal block keys see the same events in the same order."""
    return step.view, expression_key(step.where), _counts_peers(step)


def _kernel_calls(steps: Sequence[tuple[WindowStep, int]]) -> list[list[tuple[WindowStep, int]]]:
    """Steps of one span and family that read the same values; counts of events go with any sums of their span."""
    calls: dict[tuple[WindowSpan, Family, tuple[tuple[str, bool, int], ...]], list[tuple[WindowStep, int]]] = {}
    for step, slot in steps:
        key = tuple(source.key for source in sources_of(step))
        calls.setdefault((step.span, family_of(step), key), []).append((step, slot))
    for span, family, key in list(calls):
        others = [other for other in calls if other[:2] == (span, family) and other[2]]
        if family == "moments" and not key and others:
            calls[others[0]] += calls.pop((span, family, key))
    return list(calls.values())


def _counts_peers(step: WindowStep) -> bool:
    return step.span.closed in {"right", "both"}


def _kept(view: EventView, events: TableColumns, where: Expression | None, *, known_only: bool) -> Flags | None:
    """Rows that take part: those with times for which the condition holds; None for all."""
    needed = (view.event_time, view.available_at if known_only else None)
    flags = [events.times(column)[1] for column in needed if column is not None]
    if where is not None:
        flags.append(events.flags(where))
    given = [each for each in flags if each is not None]
    return np.logical_and.reduce(given) if given else None


def _hide(times: EventTimes, events: TableColumns, available_at: str | None, n_asking: int) -> EventTimes:
    """Keep from every query the rows that only ask, and those that never become known; each still sees itself."""
    valid = events.times(available_at)[1] if available_at is not None else None
    if valid is None and not n_asking:
        return times
    known = (times.time if times.known is None else times.known).copy()
    if valid is not None:
        known[~valid] = MAX_TIME_US
    known[len(known) - n_asking :] = MAX_TIME_US
    return EventTimes(times.time, known, times.delay_us, times.lag_us, times.sequence)


def _times(view: EventView, events: TableColumns, *, inclusive: bool) -> EventTimes:
    time = events.times(view.event_time)[0]
    lag_us = 0 if inclusive else 1
    sequence = events.integers(view.sequence) if view.sequence is not None else None
    if view.available_at is None or view.available_at == view.event_time:
        return EventTimes(time, None, view.delay_us, max(view.delay_us, lag_us), sequence)
    return EventTimes(time, events.times(view.available_at)[0], view.delay_us, lag_us, sequence)
