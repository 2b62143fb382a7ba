"""Columns that hold a local clock beside a moment in UTC: which zone's, and when daylight saving moved it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import numpy.typing as npt

from headrace.validation.findings import Finding

if TYPE_CHECKING:
    import polars as pl

Ints = npt.NDArray[np.int64]
_WELL_KNOWN = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Sao_Paulo",
    "Europe/London", "Europe/Berlin", "Europe/Athens", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo",
    "Australia/Sydney",
)  # fmt: skip
_AGREE = 0.95
_LEAST_ROWS = 500


@dataclass(frozen=True)
class _Clock:
    """A column as minutes of a local day, and how many of them are one step of it."""

    name: str
    minutes: Ints
    step: int


def local_clocks(frame: pl.DataFrame) -> Iterator[Finding]:
    """Name whole-number columns that show the clock of one time zone beside a timestamp, and where that clock jumped.

    A column is a clock when its values are hours (0 to 23), minutes of a day (0 to 1439) or clock times (0 to 2400) and
    lie the same one or two distances from the timestamp's clock in 95 % of the rows, changing with the date alone.
    """
    import polars as pl

    times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime) and dtype.time_zone]
    wholes = [name for name, dtype in frame.schema.items() if dtype.is_integer()]
    named: set[str] = set()
    for time in times:
        rows = frame.select(time, *wholes).drop_nulls(time)
        if rows.height < _LEAST_ROWS:
            continue
        moments = rows.get_column(time).dt.cast_time_unit("us").to_physical().to_numpy()
        for name in wholes:
            if name in named:
                continue
            found = _clock(rows.get_column(name))
            finding = _compare(moments, found, time) if found is not None else None
            if finding is not None:
                named.add(name)
                yield finding


def _clock(values: pl.Series) -> _Clock | None:
    present = values.drop_nulls()
    if len(present) < _LEAST_ROWS or len(present) < len(values):
        return None
    low, high = int(present.min()), int(present.max())  # type: ignore[arg-type]
    numbers = present.to_numpy().astype(np.int64)
    distinct = present.n_unique()
    if low < 0 or high > 2_400 or distinct < 12:
        return None
    if high <= 23:
        return _Clock(values.name, numbers * 60, 60)
    if high > 1_439 or (distinct <= 24 * 60 and bool((numbers % 100 < 60).all())):
        return _Clock(values.name, numbers // 100 * 60 + numbers % 100, 1) if (numbers % 100 < 60).all() else None
    return _Clock(values.name, numbers, 1)


def _compare(moments: Ints, clock: _Clock, time: str) -> Finding | None:
    minutes = moments // 60_000_000
    whole_hours = clock.step == 60 or bool((minutes % 60 == 0).all())
    shown = clock.minutes // 60 * 60 if whole_hours else clock.minutes
    beside = minutes // 60 * 60 if whole_hours else minutes
    offsets = (shown - beside + 720) % 1_440 - 720
    values, counts = np.unique(offsets, return_counts=True)
    usual = values[np.argsort(-counts)[:2]]
    fits = np.isin(offsets, usual)
    if fits.mean() < _AGREE or not np.any(usual):
        return None
    order = np.argsort(moments[fits], kind="stable")
    when, offset = moments[fits][order], offsets[fits][order]
    jumps = np.flatnonzero(np.diff(offset))
    if len(jumps) > 4 * (1 + (when[-1] - when[0]) / 31_557_600e6):
        return None  # changes with the row, not with the date
    zone = _zone(when, offset)
    changes = [_change(when, offset, int(at), zone) for at in jumps]
    twice = sum(change["repeated"] for change in changes)
    parts = [f"{clock.name}: a local clock, {_spoken(int(offset[0]))} {time}"]
    parts += [
        f"from {change['at'][:16].replace('T', ' ')} UTC on {_spoken(change['offset_min'])} it" for change in changes
    ]
    message = ", ".join(parts)
    if zone is not None:
        message += f": the clock of {zone.key}" + (" with its daylight-saving hours" if changes else "")
    hours = [change["local"] for change in changes]
    if hours:
        message += "; " + ", ".join(hours)
    message += f"; {twice:,} rows lie in hours that this clock showed twice" if twice else ""
    evidence = {"time": time, "zone": zone.key if zone else None, "changes": changes, "rows_in_repeated_hours": twice}
    return Finding("local_clock", clock.name, message, 1.0, None, evidence)


def _zone(when: Ints, offset: Ints) -> ZoneInfo | None:
    """The best known zone whose offsets are these at forty moments spread over the table and beside every jump."""
    jumps = np.flatnonzero(np.diff(offset))
    picks = np.unique(np.concatenate([np.linspace(0, len(when) - 1, 40).astype(int), jumps, jumps + 1]))
    wanted = [(_moment(int(when[at])), timedelta(minutes=int(offset[at]))) for at in picks]
    names = [*_WELL_KNOWN, *sorted(available_timezones() - set(_WELL_KNOWN))]
    for name in names:
        try:
            zone = ZoneInfo(name)
        except (OSError, ValueError):
            continue  # a file among the zones that is none
        if all(moment.astimezone(zone).utcoffset() == expected for moment, expected in wanted):
            return zone
    return None


def _change(when: Ints, offset: Ints, at: int, zone: ZoneInfo | None) -> dict[str, Any]:
    """One jump: the zone's own moment between the two rows where it is known, else the first row after it."""
    low, high = int(when[at]), int(when[at + 1])
    before, after = int(offset[at]), int(offset[at + 1])
    moment = _transition(low, high, zone) if zone is not None else high
    step = (after - before) * 60_000_000
    local = _moment(moment + before * 60_000_000).strftime("%Y-%m-%d %H:%M")
    behind = _moment(moment + after * 60_000_000).strftime("%Y-%m-%d %H:%M")
    said = (
        f"the time from {local} to {behind[11:]} does not exist"
        if step > 0
        else f"the time from {behind} to {local[11:]} comes twice"
    )
    repeated = int(((when >= moment + step) & (when < moment - step)).sum()) if step < 0 else 0
    return {"at": _moment(moment).isoformat(), "offset_min": after, "local": said, "repeated": repeated}


def _transition(low: int, high: int, zone: ZoneInfo) -> int:
    """Microsecond at which the zone's offset changes between two moments, to the minute."""
    start = _moment(low).astimezone(zone).utcoffset()
    while high - low > 60_000_000:
        middle = (low + high) // 2
        if _moment(middle).astimezone(zone).utcoffset() == start:
            low = middle
        else:
            high = middle
    return high // 60_000_000 * 60_000_000


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _spoken(offset_min: int) -> str:
    return f"{abs(offset_min) / 60:g} h {'behind' if offset_min < 0 else 'ahead of'}"
