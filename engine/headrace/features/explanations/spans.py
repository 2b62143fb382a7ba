"""Which of the visible events lie inside a window, one after the other in Python: the plain reading of `WindowSpan`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from headrace.features.definition.spans import WindowSpan

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def inside_span(span: WindowSpan, times_us: Sequence[int], query_time_us: int) -> list[int]:
    """Positions of the events inside a window.

    Args:
        span: the window.
        times_us: event times of the visible events, ascending.
        query_time_us: q.
    """
    everything = list(range(len(times_us)))
    match span.kind:
        case "count":
            assert span.events is not None
            return everything[-span.events :]
        case "session":
            return _session(span, times_us, query_time_us)
        case "expanding":
            return everything
        case _:
            oldest = oldest_us(span, query_time_us)
            if span.closed in {"right", "none"}:
                oldest += 1
            return [place for place in everything if times_us[place] >= oldest]


def oldest_us(span: WindowSpan, query_time_us: int) -> int:
    """Lower bound of a duration, calendar or to-date window: microseconds UTC."""
    if span.kind == "duration":
        assert span.width_us is not None
        return query_time_us - span.width_us
    assert span.tz is not None
    zone = ZoneInfo(span.tz)
    local = (_EPOCH + timedelta(microseconds=query_time_us)).astimezone(zone).replace(tzinfo=None, fold=0)
    if span.kind == "calendar":
        start = _months_before(local, span.months) - timedelta(days=span.days)
    else:
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        match span.field:
            case "week":
                start = midnight - timedelta(days=midnight.weekday())
            case "month":
                start = midnight.replace(day=1)
            case "year":
                start = midnight.replace(month=1, day=1)
            case _:
                start = midnight
    # fold=0 reads a clock time that exists twice as the first, and one that was skipped with the offset before the gap
    return (start.replace(tzinfo=zone) - _EPOCH) // _MICROSECOND


def _session(span: WindowSpan, times_us: Sequence[int], query_time_us: int) -> list[int]:
    assert span.width_us is not None
    newer, members = query_time_us, list[int]()
    for place in reversed(range(len(times_us))):
        if newer - times_us[place] > span.width_us:
            break
        members.append(place)
        newer = times_us[place]
    return members[::-1]


def _months_before(local: datetime, months: int) -> datetime:
    """The same day so many months earlier, or that month's last day."""
    month = local.year * 12 + local.month - 1 - months
    year, number = divmod(month, 12)
    following = datetime(year + number // 11, (number + 1) % 12 + 1, 1)  # noqa: DTZ001  # a clock reading, no moment
    last_day = (following - timedelta(days=1)).day
    return local.replace(year=year, month=number + 1, day=min(local.day, last_day))
