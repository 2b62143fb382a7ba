"""How far back windows reach: the earliest event time that counts, for each query."""

from __future__ import annotations

import numpy as np

from headrace.features.definition.spans import WindowSpan
from headrace.features.executor.local_time import LocalClock
from headrace_kernels.arrays import GroupedEvents, GroupedQueries
from headrace_kernels.cpu import frames
from headrace_kernels.dtypes import MAX_TIME_US, Integers, Positions, Times

_MONDAY = 4  # 1970-01-05, the first Monday, in days since 1970-01-01


def first_places(
    span: WindowSpan, events: GroupedEvents, queries: GroupedQueries, last: Positions, clock: LocalClock | None
) -> Positions:
    """Place of the first event of each query's window: int64[n_queries].

    Args:
        span: which window.
        events: grouped events.
        queries: grouped queries.
        last: int64[n_queries], place after the last event each query may see.
        clock: the span's zone, for calendar windows.
    """
    match span.kind:
        case "count":
            assert span.events is not None
            return frames.bound_newest(events, queries, span.events, last)
        case "session":
            assert span.width_us is not None
            return frames.bound_session(events, queries, span.width_us, last)
        case "expanding":
            oldest = np.full(len(queries.time), -2 * MAX_TIME_US, dtype=np.int64)
        case "duration":
            assert span.width_us is not None
            oldest = queries.time - span.width_us
        case _:
            assert clock is not None
            oldest = oldest_times(span, queries.time, clock)
    if span.closed in {"right", "none"}:
        oldest += 1
    return frames.bound_since(events, queries, oldest, last)


def oldest_times(span: WindowSpan, query_time: Times, clock: LocalClock) -> Times:
    """Start of calendar windows: int64[n], microseconds UTC."""
    local = clock.local(query_time)
    days, of_day = np.divmod(local, 86_400_000_000)
    if span.kind == "calendar":
        return clock.utc(_months_back(days, span.months) * 86_400_000_000 - span.days * 86_400_000_000 + of_day)
    match span.field:
        case "day":
            start = days
        case "week":
            start = days - (days - _MONDAY) % 7
        case "month":
            start = days.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        case _:
            start = days.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    return clock.utc(start * 86_400_000_000)


def _months_back(days: Integers, months: int) -> Integers:
    """Days since 1970 of the same day of the month so many months earlier, or of that month's last day."""
    if not months:
        return days
    dates = days.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    day_of_month = (dates - month.astype("datetime64[D]")).astype(np.int64)
    target = month - months
    first = target.astype("datetime64[D]").astype(np.int64)
    length = (target + 1).astype("datetime64[D]").astype(np.int64) - first
    same_day: Integers = first + np.minimum(day_of_month, length - 1)
    return same_day
