"""How many rows came when: stretches of time without rows, and days with far fewer or more than days had."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.validation.anomalies.measuring import DAY_S, Measured, longest_gap
from headrace.validation.anomalies.reference import TableReference
from headrace.validation.anomalies.settings import AnomalySettings
from headrace.validation.durations import spoken
from headrace.validation.findings import Finding
from headrace.validation.table_checks import period_counts

_CHANCE = 1e-9
_DAYS_SHOWN = 1_500


def volume(old: TableReference, new: Measured, settings: AnomalySettings) -> Iterator[Finding]:
    """Name gaps and days out of line in the reference's time column.

    A gap counts when it is three times the reference's longest and random arrivals at the table's own rate would not
    leave it in 1e9 tables. A day counts when it has `volume_factor` times fewer rows than the reference's poorest or
    more than its richest day, and chance arrivals (Poisson) do not explain it.
    """
    name = old.time_column
    if not name or new.dtypes.get(name) != "timestamp" or new.frame.height < settings.least_rows:
        return
    moments = new.frame.get_column(name)
    days = period_counts(moments, DAY_S) if _span_s(new, name) < 100_000 * DAY_S else []
    picture: dict[str, Any] = {"days": [f"{day:%Y-%m-%d}" for day, _ in days], "rows": [rows for _, rows in days]}
    picture = picture if len(days) <= _DAYS_SHOWN else {}
    gap, begins = longest_gap(moments)
    span = _span_s(new, name)
    expected = (len(moments) - moments.null_count()) * gap / max(1.0, span - gap)
    if old.longest_gap_s and gap > 3 * old.longest_gap_s and expected > math.log(new.frame.height / _CHANCE):
        start = _iso(begins)
        message = (
            f"{name}: no row for {spoken(gap)}, from {start} on; the longest gap of the reference is "
            f"{spoken(old.longest_gap_s)}, and about {expected:,.0f} rows would be expected"
        )
        yield Finding(
            "gap", name, message, gap / (3 * old.longest_gap_s), None, {"start": start, "length_s": gap, **picture}
        )
    yield from _days(old, days[1:-1], settings, picture, gap=(begins / 1e6, begins / 1e6 + gap))


def _days(
    old: TableReference,
    days: list[tuple[datetime, int]],
    settings: AnomalySettings,
    picture: dict[str, Any],
    *,
    gap: tuple[float, float],
) -> Iterator[Finding]:
    from scipy.stats import poisson

    if len(old.daily) != 5:
        return
    least, _, usual, _, most = old.daily
    factor = settings.volume_factor
    low, high = least / factor, most * factor
    odd = [
        (day, rows)
        for day, rows in days
        if not _within(day, gap)
        and (
            (rows < low and poisson.cdf(rows, least) < _CHANCE)
            or (rows > high and poisson.sf(rows - 1, most) < _CHANCE)
        )
    ]
    if not odd:
        return
    day, rows = max(odd, key=lambda pair: abs(math.log((pair[1] + 1) / (usual + 1))))
    which = "fewer" if rows < usual else "more"
    message = (
        f"{old.time_column}: {len(odd)} of {len(days)} days have far {which} rows than any "
        f"in the reference: {day:%Y-%m-%d} has {rows:,}, its days have {least:,.0f} to {most:,.0f}"
    )
    effect = max(rows / max(1.0, high), low / max(1.0, rows))
    yield Finding("volume", old.time_column, message, max(1.0, effect), None, dict(picture))


def _within(day: datetime, gap: tuple[float, float]) -> bool:
    start = day.timestamp()
    return start < gap[1] and start + DAY_S > gap[0] and gap[1] - gap[0] > DAY_S / 2


def _span_s(new: Measured, name: str) -> float:
    moments = new.frame.get_column(name).to_physical()
    low, high = moments.min(), moments.max()
    return 0.0 if low is None or high is None else float(high - low) / 1e6  # type: ignore[arg-type, operator]


def _iso(microseconds: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).strftime("%Y-%m-%d %H:%M")
