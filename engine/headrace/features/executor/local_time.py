"""Time zones as two small arrays: when the offset from UTC changes, and to what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from headrace.core.errors import InvalidInputError
from headrace_kernels.dtypes import Integers, Times

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def zone_offsets(tz: str, first_us: int, last_us: int) -> tuple[Times, Integers]:
    """When a zone's offset changes between two moments, and the offsets.

    Args:
        tz: IANA zone name.
        first_us: earliest moment, microseconds UTC.
        last_us: latest moment.

    Returns:
        int64[n] moments of change, ascending, and int64[n + 1] offsets in microseconds; the first offset holds before
        the first change. No zone changes twice within a day.

    Raises:
        InvalidInputError: a moment is outside the years 1 to 9999, where calendars end.
    """
    try:
        zone = ZoneInfo(tz)
        now = _EPOCH + timedelta(microseconds=first_us)
        last = _EPOCH + timedelta(microseconds=last_us)
        changes: list[int] = []
        offsets = [_offset_us(zone, now)]
        while now < last:
            then = min(now + _DAY, last)
            if _offset_us(zone, then) != offsets[-1]:
                changes.append(_change_between(zone, now, then))
                offsets.append(_offset_us(zone, then))
            now = then
    except (OverflowError, ValueError) as error:
        raise InvalidInputError(
            f"a time lies outside the years 1 to 9999: calendar fields in {tz} end there"
        ) from error
    return np.array(changes, dtype=np.int64), np.array(offsets, dtype=np.int64)


def _offset_us(zone: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds() * 1_000_000)


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> int:
    """First whole second with the later offset; changes happen on whole seconds."""
    low, high = before.replace(microsecond=0), after
    high = high if high.microsecond == 0 else high.replace(microsecond=0) + _SECOND
    old = _offset_us(zone, before)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if _offset_us(zone, middle) == old:
            low = middle
        else:
            high = middle
    return int((high - _EPOCH) / timedelta(microseconds=1))


class LocalClock:
    """The clock of a zone between two moments.

    Attributes:
        changes: int64[n], moments when the offset changes, ascending.
        offsets: int64[n + 1], microseconds east of UTC before, between and after the changes.
    """

    def __init__(self, tz: str, first_us: int, last_us: int) -> None:
        """Find the offsets of a zone from one moment to another."""
        self.changes, self.offsets = zone_offsets(tz, first_us, last_us)

    def local(self, utc: Times) -> Times:
        """Clock times: int64[n], microseconds since 1970-01-01 00:00 on the clock."""
        return utc + self.offsets[np.searchsorted(self.changes, utc, side="right")]

    def utc(self, local: Times) -> Times:
        """Moments at which the clock shows given times: the first where there are two.

        A time that the clock skips is moved forward by the length of the gap.
        """
        # Before change i the clock runs up to changes + offsets[i]; the first offset under which a time has not run out
        # is that of the first such moment, and in a gap the earlier offset moves the time forward.
        ends = np.maximum.accumulate(self.changes + np.maximum(self.offsets[:-1], self.offsets[1:]))
        result: Times = local - self.offsets[np.searchsorted(ends, local, side="right")]
        return result
