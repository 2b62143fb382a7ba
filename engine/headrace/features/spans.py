"""Which events a window holds: the last hour, the last ten, this month, the session still open, everything so far.

Only the kind is chosen here. What a query may see at all (`available_at + delay <= q`) is the view's business and comes
first: a span selects among visible events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from headrace.features.durations import format_duration

SpanKind: TypeAlias = Literal["duration", "calendar", "to_date", "count", "session", "expanding"]
Closed: TypeAlias = Literal["left", "right", "both", "none"]

SPAN_KINDS: tuple[SpanKind, ...] = ("duration", "calendar", "to_date", "count", "session", "expanding")
CLOSED: tuple[Closed, ...] = ("left", "right", "both", "none")
TO_DATE_FIELDS = ("day", "week", "month", "year")


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
                months = f"{self.months}mo" if self.months else ""
                return months + (f"{self.days}cd" if self.days else "")
            case "to_date":
                return f"{self.field}_to_date"
            case "count":
                return f"last_{self.events}"
            case "expanding":
                return "ever"
            case _:
                assert self.width_us is not None
                return ("session_" if self.kind == "session" else "") + format_duration(self.width_us)
