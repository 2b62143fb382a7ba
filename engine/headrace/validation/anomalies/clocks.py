"""A clock that was moved: times that are whole hours off, by the hours of the day or beside another clock."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from headrace.validation.anomalies.measuring import Measured, clock
from headrace.validation.anomalies.reference import ColumnReference, TableReference
from headrace.validation.findings import Finding

_HALF_HOUR_S = 1_800.0
_WIDEST_S = 26 * 3_600.0  # from the first time zone to the last
_LEAST_ROWS = 200
Shares = npt.NDArray[np.float64]


def clock_shifts(old: TableReference, new: Measured) -> Iterator[Finding]:
    """Name timestamp columns whose clock was moved, whole or from some row on.

    Two signs: the hours of the day that rows fall into are the reference's turned by a multiple of half an hour, which
    needs rows that prefer some hours; or the time between two timestamps of a row has changed by such a multiple.
    """
    named = set()
    for column in old.columns:
        if column.dtype == "timestamp" and column.clock and new.dtypes.get(column.name) == "timestamp":
            finding = _turned(column, new)
            if finding is not None:
                named.add(column.name)
                yield finding
    yield from _between(old, new, named)


def _turned(old: ColumnReference, new: Measured) -> Finding | None:
    values = new.values(old.name)
    if len(values) < _LEAST_ROWS:
        return None
    then = _shares(np.array(old.clock))
    shift = _best_turn(_shares(clock(values)), then, len(values))
    if shift:
        message = (
            f"{old.name}: the times of day are {_hours(shift)} than in the reference; "
            "did a time zone change, or was local time read as UTC?"
        )
        return Finding("clock_shift", old.name, message, 1.0, None, {"shift_s": shift, **_picture(old, values)})
    return _from_some_row_on(old, values, then)


def _from_some_row_on(old: ColumnReference, values: npt.NDArray[np.float64], then: Shares) -> Finding | None:
    """A change within the table: tenths of it, in the order of time, that are turned and the others that are not."""
    parts = [part for part in np.array_split(np.sort(values), 10) if len(part) >= _LEAST_ROWS]
    turns = [_best_turn(_shares(clock(part)), then, len(part)) for part in parts]
    turned = [turn for turn in turns if turn]
    if len(turned) < 2 or max(turned) - min(turned) > 2 * _HALF_HOUR_S or len(turned) > 0.9 * len(parts):
        return None
    shift = float(np.median(turned))
    at = np.datetime64(int(parts[[bool(turn) for turn in turns].index(True)][0]), "us")
    message = (
        f"{old.name}: in {len(turned)} of {len(parts)} tenths of the table, first about {str(at)[:10]}, the times of "
        f"day are {_hours(shift)} than in the reference; did a time zone change?"
    )
    return Finding("clock_shift", old.name, message, 1.0, None, {"shift_s": shift, **_picture(old, values)})


def _best_turn(now: Shares, then: Shares, rows: int) -> float:
    """Seconds that turn the reference's day into this one; 0 where it is as it was, or where no turn explains it.

    Distances are between shares, and chance alone makes one of about sqrt(48 / rows).
    """
    distances = [float(np.abs(now - np.roll(then, turn)).sum()) for turn in range(len(then))]
    best = int(np.argmin(distances))
    chance = np.sqrt(len(then) / rows)
    if best == 0 or distances[0] < 0.3 + chance or distances[best] > max(0.4 * distances[0], chance):
        return 0.0
    if distances[best] > 0.5 * distances[0]:
        return 0.0
    return _HALF_HOUR_S * (best if best <= len(then) // 2 else best - len(then))


def _between(old: TableReference, new: Measured, named: set[str]) -> Iterator[Finding]:
    """Pairs whose difference moved by whole half hours; the column that most pairs share is the one that moved."""
    moved: dict[str, list[tuple[str, float]]] = {}
    for a, b, middle, width in old.intervals:
        if (a, b) not in new.intervals:
            continue
        shift = new.intervals[a, b][0] - middle
        whole = round(shift / _HALF_HOUR_S) * _HALF_HOUR_S
        room = max(60.0, 0.1 * abs(whole))
        if whole and abs(whole) <= _WIDEST_S and abs(shift - whole) <= room and abs(whole) > width:
            moved.setdefault(a, []).append((b, -whole))
            moved.setdefault(b, []).append((a, whole))
    while moved:
        name = max(moved, key=lambda column: (len(moved[column]), column in named))
        partners = moved.pop(name)
        for other, _ in partners:
            if other in moved:
                moved[other] = [pair for pair in moved[other] if pair[0] != name]
                if not moved[other]:
                    del moved[other]
        if partners and name not in named:
            other, shift = partners[0]
            message = (
                f"{name}: the times are {_hours(shift)} against {other} than in the reference; did a time zone change?"
            )
            yield Finding("clock_shift", name, message, 1.0, None, {"shift_s": shift, "against": other})


def _shares(counts: npt.NDArray[np.int64]) -> Shares:
    return counts / max(1, int(counts.sum()))


def _hours(shift_s: float) -> str:
    return f"{abs(shift_s) / 3_600:g} h {'later' if shift_s > 0 else 'earlier'}"


def _picture(old: ColumnReference, values: npt.NDArray[np.float64]) -> dict[str, list[float]]:
    return {
        "edges": [half / 2 for half in range(49)],
        "now": _shares(clock(values)).tolist(),
        "then": _shares(np.array(old.clock)).tolist(),
    }
