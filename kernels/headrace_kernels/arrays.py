"""What kernels take: rows grouped by key and ordered in time, windows over them, value columns, statistics."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from headrace_kernels.dtypes import Flags, Floats, Integers, Positions, Starts, Times


class Statistic(IntEnum):
    """Statistics of a window."""

    COUNT = 0
    COUNT_NON_NULL = 1
    SUM = 2
    MEAN = 3
    VAR = 4
    STD = 5
    MIN = 6
    MAX = 7
    SHARE = 8
    RANGE = 9
    FIRST = 10
    LAST = 11
    LAG = 12
    DIFF = 13
    RATIO = 14
    SINCE_LAST = 15
    DISTINCT = 16
    DISTINCT_SKETCH = 17
    MODE = 18
    TOP_SHARE = 19
    ENTROPY = 20
    QUANTILE = 21
    DECAYED_COUNT = 22
    DECAYED_SUM = 23
    DECAYED_MEAN = 24
    COV = 25
    CORR = 26
    SLOPE = 27
    TREND = 28


class CalendarField(IntEnum):
    """Calendar fields of a local time; weekday is 0 on Monday, day, month and day of year start at 1."""

    MINUTE = 0
    MINUTE_OF_DAY = 1
    HOUR = 2
    WEEKDAY = 3
    DAY = 4
    MONTH = 5
    DAY_OF_YEAR = 6


@dataclass(frozen=True)
class Groups:
    """Rows by key.

    Attributes:
        starts: int64[n_keys + 1].
        rows: int64[n_grouped], positions in the table, key after key; rows without a key are left out.
    """

    starts: Starts
    rows: Positions


@dataclass(frozen=True)
class EventTimes:
    """When the rows of an event table happened and from which query time on they are seen.

    An event is visible from max(time + lag_us, known + delay_us) on; without `known`, from time + lag_us on.

    Attributes:
        time: int64[n_rows].
        known: int64[n_rows], when an event became known, or None where it is known at its own time.
        delay_us: how much later than `known` the source delivers.
        lag_us: least time between an event and the first query that sees it: 1 where peers do not count, 0 where they
            do; where there is no `known`, at least the source's delay.
        sequence: int64[n_rows], orders events of equal time and visibility, or None.
    """

    time: Times
    known: Times | None
    delay_us: int
    lag_us: int
    sequence: Integers | None


@dataclass(frozen=True)
class GroupedEvents:
    """Events by key, within a key by (time, known, sequence, position).

    Attributes:
        groups: the events' rows by key.
        time: int64[n_grouped], event times, in the groups' order.
        visible_at: int64[n_grouped], the first query time that sees the event; never before its time.
        ordered: whether `visible_at` never decreases within a key: what a query sees is then a prefix of its group.
    """

    groups: Groups
    time: Times
    visible_at: Times
    ordered: bool


@dataclass(frozen=True)
class GroupedQueries:
    """Queries by key, within a key by time.

    Attributes:
        groups: the queries' rows by key, with the same keys as the events.
        time: int64[n_grouped], query times, in the groups' order.
    """

    groups: Groups
    time: Times


@dataclass(frozen=True)
class ValueColumn:
    """A column that statistics read, by place.

    Attributes:
        values: float64[n_events] or int64[n_events]; what stands under a null is ignored.
        valid: bool[n_events], False = null; None where nothing is null.
        bits: binary digits kept after the point in sums; 0 for integers.
    """

    values: Floats | Integers
    valid: Flags | None
    bits: int


@dataclass(frozen=True)
class WindowFrames:
    """One window of every query.

    The window of query i holds the events at the places p in [first[i], last[i]) with `events.visible_at[p] <= q`, in
    that order, and then, where `extra[i] >= 0`, the event at that place, which is not among the others and counts as
    the newest. Where visibility is ordered, every event of the range is visible.

    Attributes:
        events: grouped events.
        queries: grouped queries, with the same keys.
        first: int64[n_queries], place of each window's first event.
        last: int64[n_queries], place after its last event; never before `first`.
        extra: int64[n_queries], place of the query's own event or -1; int64[0] where no window has one.
        moves: int64[n_moves], what enters and leaves as one goes from query to query, in their order: the place p of an
            event that enters, ~p of one that leaves. The windows begin empty, and what belongs to one key leaves before
            the first query of the next: statistics that can add and take away need nothing else.
        move_ends: int64[n_queries], the window of query i is what `moves[: move_ends[i]]` leave inside.
    """

    events: GroupedEvents
    queries: GroupedQueries
    first: Integers
    last: Integers
    extra: Integers
    moves: Integers
    move_ends: Integers


@dataclass(frozen=True)
class StatisticRequest:
    """One statistic of the windows of some frames.

    Attributes:
        statistic: which.
        parameter: threshold of SHARE, probability of QUANTILE, n of LAG and TOP_SHARE, half-life in microseconds of
            DECAYED_*, microseconds of the unit of SINCE_LAST; 0.0 where it has none.
        empty: what stands where there is no value (too few values).
    """

    statistic: Statistic
    parameter: float = 0.0
    empty: float = float("nan")


class ExactRangeError(ArithmeticError):
    """A value or a sum does not fit the exact 64-bit range at the declared resolution.

    Attributes:
        column: which of the kernel's value columns.
    """

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.column = column
