"""Which events a window holds: the last hour, the last ten, this month, the session still open, everything so far.

Only the kind is chosen here. What a query may see at all (`available_at + delay <= q`) is the view's business and comes
first: a span selects among visible events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.features.definition.durations import format_duration, parse_duration_us
from headrace.features.definition.time_zones import checked_zone

SpanKind: TypeAlias = Literal["duration", "calendar", "to_date", "count", "session", "expanding"]
Closed: TypeAlias = Literal["left", "right", "both", "none"]

SPAN_KINDS: tuple[SpanKind, ...] = ("duration", "calendar", "to_date", "count", "session", "expanding")
CLOSED: tuple[Closed, ...] = ("left", "right", "both", "none")
TO_DATE_FIELDS = ("day", "week", "month", "year")
_CALENDAR_LENGTH = re.compile(r"(\d+)(y|mo|w|d)")
_CALENDAR_UNITS = {"y": (12, 0), "mo": (1, 0), "w": (0, 7), "d": (0, 1)}  # months, days


@dataclass(frozen=True)
class WindowSpan:
    """The extent of a window that ends at the query time q.

    * `duration`: events in [q - width, q); `closed` names other bounds as Polars does.
    * `calendar`: from the same clock time `months` and `days` earlier in `tz`, up to q. A day of the month that does
      not exist becomes the month's last; a clock time that exists twice means the first, one that was skipped is moved
      forward by the length of the gap.
    * `to_date`: since midnight, in `tz`, of q's day, or of the first day of its ISO week, month or year.
    * `count`: the newest `events` events.
    * `session`: the events of the session still open at q. The newest event must lie at most `width` before q; the
      session goes back from it while neighbours are at most `width` apart.
    * `expanding`: every event so far.

    Attributes:
        kind: which of the above.
        width_us: length of a duration, or the longest gap inside a session; None elsewhere.
        months: calendar months back.
        days: calendar days back, after the months.
        tz: IANA zone of the clock that `calendar` and `to_date` read.
        field: `day`, `week`, `month` or `year`, of `to_date`.
        events: how many, of `count`.
        closed: which bounds belong to a duration or calendar window.
        include_current: whether the row that asks is one of the events, by identity, as the newest.
    """

    kind: SpanKind
    width_us: int | None = None
    months: int = 0
    days: int = 0
    tz: str | None = None
    field: str | None = None
    events: int | None = None
    closed: Closed = "left"
    include_current: bool = False

    @property
    def label(self) -> str:
        """The span's part of a feature name, in the shortest words: `3h`, `1mo`, `month_to_date`, `last_10`, `ever`."""
        match self.kind:
            case "calendar":
                return f"{self.months}mo" if self.months else f"calendar_{self.days}d"
            case "to_date":
                return f"{self.field}_to_date"
            case "count":
                return f"last_{self.events}"
            case "expanding":
                return "ever"
            case _:
                assert self.width_us is not None
                return ("session_" if self.kind == "session" else "") + format_duration(self.width_us)


def last(events: int) -> WindowSpan:
    """The newest visible events of the entity: `last(10)`.

    Raises:
        DefinitionError: not a whole number from 1.
    """
    if isinstance(events, bool) or not isinstance(events, int) or events < 1:
        raise DefinitionError(f"last({events!r}): how many events must be a whole number, at least 1")
    return WindowSpan("count", events=events)


def session(gap: str) -> WindowSpan:
    """The events of the session still open: pauses inside it, and since its newest event, are at most `gap`.

    Raises:
        DefinitionError: the gap is no duration longer than zero.
    """
    width_us = parse_duration_us(gap)
    if width_us == 0:
        raise DefinitionError("session('0s'): the gap must be longer than zero")
    return WindowSpan("session", width_us)


def expanding() -> WindowSpan:
    """Everything that is visible."""
    return WindowSpan("expanding")


def calendar_window(length: str, *, tz: str) -> WindowSpan:
    """From the same clock time a number of months or days ago: `calendar_window("1mo", tz="America/New_York")`.

    Args:
        length: a whole number and `y`, `mo`, `w` or `d`; days here have 23 to 25 hours, as the zone's clocks have it.
        tz: IANA zone name.

    Raises:
        DefinitionError: another length, or an unknown zone.
    """
    match = _CALENDAR_LENGTH.fullmatch(length.strip())
    if match is None or not 0 < int(match[1]) <= 10_000:
        raise DefinitionError(
            f"calendar_window('{length}'): write a whole number and one of y, mo, w, d", hint="for example '1mo'"
        )
    months, days = _CALENDAR_UNITS[match[2]]
    count = int(match[1])
    return WindowSpan("calendar", months=count * months, days=count * days, tz=checked_zone(tz))


def to_date(field: str, *, tz: str) -> WindowSpan:
    """Since the start of the day, ISO week, month or year: `to_date("month", tz="America/New_York")`.

    Raises:
        DefinitionError: another field, or an unknown zone.
    """
    if field not in TO_DATE_FIELDS:
        raise DefinitionError(
            f"to_date('{field}'): allowed: {', '.join(TO_DATE_FIELDS)}", hint=did_you_mean(field, TO_DATE_FIELDS)
        )
    return WindowSpan("to_date", tz=checked_zone(tz), field=field)


def parse_span(text: str) -> WindowSpan:
    """A fixed duration as people write it.

    Raises:
        DefinitionError: it is none, or zero.
    """
    width_us = parse_duration_us(text)
    if width_us == 0:
        raise DefinitionError(f"a window of '{text}' holds nothing: it must be longer than zero")
    return WindowSpan("duration", width_us)
