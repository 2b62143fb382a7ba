"""A column whose values are the old ones in another unit, with another sign, or in part: and which unit it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace.validation.anomalies.reference import ColumnReference
from headrace.validation.findings import Finding

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """What new values are of old ones: `factor * old + offset`, and what that means to people."""

    factor: float
    offset: float
    words: str


_FACTORS: tuple[tuple[float, str, str], ...] = (
    (60.0, "minutes as seconds, or hours as minutes", "seconds as minutes, or minutes as hours"),
    (3600.0, "hours as seconds", "seconds as hours"),
    (24.0, "days as hours", "hours as days"),
    (1440.0, "days as minutes", "minutes as days"),
    (86_400.0, "days as seconds", "seconds as days"),
    (7.0, "weeks as days", "days as weeks"),
    (1000.0, "a unit as its thousandth (km as m, kg as g, s as ms)", "a thousandth as its unit (m as km, g as kg)"),
    (1e6, "a unit as its millionth (s as us)", "a millionth as its unit"),
    (100.0, "a share as per cent, or m as cm", "per cent as a share, or cm as m"),
    (10.0, "a unit as its tenth (cm as mm)", "a tenth as its unit (mm as cm)"),
    (1.609344, "miles as kilometres", "kilometres as miles"),
    (1.852, "nautical miles as kilometres, or knots as km/h", "kilometres as nautical miles, or km/h as knots"),
    (1.15077945, "nautical miles as miles, or knots as mph", "miles as nautical miles, or mph as knots"),
    (0.44704, "mph as m/s", "m/s as mph"),
    (3.6, "m/s as km/h", "km/h as m/s"),
    (0.51444444, "knots as m/s", "m/s as knots"),
    (25.4, "inches as millimetres", "millimetres as inches"),
    (2.54, "inches as centimetres", "centimetres as inches"),
    (0.3048, "feet as metres", "metres as feet"),
    (0.9144, "yards as metres", "metres as yards"),
    (12.0, "feet as inches, or years as months", "inches as feet, or months as years"),
    (0.45359237, "pounds as kilograms", "kilograms as pounds"),
    (28.349523, "ounces as grams", "grams as ounces"),
    (3.785411784, "US gallons as litres", "litres as US gallons"),
    (4.184, "calories as joules", "joules as calories"),
    (33.8639, "inches of mercury as hPa", "hPa as inches of mercury"),
    (6.894757, "psi as kPa", "kPa as psi"),
    (57.29577951, "radians as degrees", "degrees as radians"),
    (1024.0, "KiB as bytes", "bytes as KiB"),
)
CHANGES: tuple[Change, ...] = (
    *(Change(factor, 0.0, words) for factor, words, _ in _FACTORS),
    *(Change(1.0 / factor, 0.0, words) for factor, _, words in _FACTORS),
    Change(-1.0, 0.0, "the sign is flipped"),
    Change(5 / 9, -160 / 9, "degrees Fahrenheit as Celsius"),
    Change(1.8, 32.0, "degrees Celsius as Fahrenheit"),
    Change(1.0, 273.15, "degrees Celsius as kelvin"),
    Change(1.0, -273.15, "kelvin as degrees Celsius"),
    Change(5 / 9, 255.372222, "degrees Fahrenheit as kelvin"),
)
_INNER = slice(5, 96)  # 5th to 95th percentile
_LEAST_MISFIT = 0.12
_BETTER = 3.0
_AS_GOOD = 0.02


def unit_change(old: ColumnReference, values: Floats, percentiles: Floats) -> Finding | None:
    """Name the change of unit that turns the reference's distribution into this one, where there is one.

    Fits by percentiles, so that it does not matter which rows came. A change counts when it leaves no more unexplained
    than the number of rows does (2 % of the spread and three standard errors), three times less than no change, and no
    more than a plain shift. Of changes that fit as well, the more common one is named.

    Args:
        old: a numeric column.
        values: float64[n], finite.
        percentiles: float64[101] of them, rising.
    """
    if len(values) < 20 or not old.quantiles or old.distinct < 3:
        return None
    now = percentiles[_INNER]
    then = np.array(old.quantiles)[_INNER]
    unchanged = _misfit(now, then, Change(1.0, 0.0, ""))
    misfit, change, rivals = _best(now, then, CHANGES, _rows(len(values), old.sampled))
    shifted = _misfit(now, then, Change(1.0, float(np.median(now) - np.median(then)), ""))
    error = 1 / float(np.sqrt(_rows(len(values), old.sampled)))
    noise = min(_LEAST_MISFIT, 0.02 + 3 * error)
    shift_fits = shifted < misfit - _AS_GOOD / 2
    if misfit > noise or unchanged < max(_BETTER * misfit, _LEAST_MISFIT, 6 * error) or shift_fits:
        return None
    kind = "sign_flip" if change.factor == -1.0 else "unit_change"
    what = change.words if kind == "sign_flip" else f"as if {_formula(change)} ({change.words}{rivals})"
    message = (
        f"{old.name}: the values changed unit, {what}; median {percentiles[50]:g}, "
        f"{old.quantiles[50]:g} in the reference"
    )
    if kind == "sign_flip":
        message = message.replace("the values changed unit, ", "")
    evidence = {"factor": change.factor, "offset": change.offset, "misfit": misfit}
    return Finding(kind, old.name, message, max(1.0, unchanged / _LEAST_MISFIT), None, evidence)


def mixed_units(old: ColumnReference, values: Floats) -> Finding | None:
    """Name a change of unit in a part of the rows: values far outside the reference that one factor brings back.

    Far outside is further than the width of the reference's range. At least 20 values and half a per cent count.
    """
    if old.low is None or old.high is None or len(values) < 100:
        return None
    width = old.high - old.low
    outside = values[(values < old.low - width) | (values > old.high + width)]
    if len(outside) < 20 or len(outside) < 0.005 * len(values) or width <= 0:
        return None
    back = [change for change in CHANGES if _brought_back(outside, old, change) >= 0.95]
    if not back:
        return None
    now = np.quantile(outside, np.linspace(0, 1, 101))[_INNER]
    misfit, best, rivals = _best(now, np.array(old.quantiles)[_INNER], back, _rows(len(outside), old.sampled))
    if misfit > 0.5:
        return None
    share = len(outside) / len(values)
    message = (
        f"{old.name}: {share:.1%} of the values look as if {_formula(best)} ({best.words}{rivals}), the others do not"
    )
    evidence = {"factor": best.factor, "offset": best.offset, "share": share}
    return Finding("mixed_units", old.name, message, max(1.0, share / 0.005), None, evidence)


def _best(now: Floats, then: Floats, changes: Sequence[Change], rows: float) -> tuple[float, Change, str]:
    """The change that fits best, what it leaves, and another that fits as well; the more common comes first."""
    fits = [(_misfit(now, then, change), change) for change in changes]
    as_good = min(misfit for misfit, _ in fits) + min(0.08, max(_AS_GOOD, 2 / float(np.sqrt(rows))))
    misfit, change = next(pair for pair in fits if pair[0] <= as_good)
    rivals = [(left, other) for left, other in fits if left <= as_good and other is not change]
    words = f"; or {rivals[0][1].words}, which fits as well" if rivals else ""
    return misfit, change, words


def _rows(rows: int, reference_rows: int) -> float:
    """Rows of one sample that err as much as the difference of these two."""
    return 1 / (1 / rows + 1 / reference_rows)


def _brought_back(outside: Floats, old: ColumnReference, change: Change) -> float:
    """Share of the values that lie in the reference's range once the change is undone."""
    back = (outside - change.offset) / change.factor
    return float(((back >= (old.low or 0.0)) & (back <= (old.high or 0.0))).mean())


def _misfit(now: Floats, then: Floats, change: Change) -> float:
    """Mean distance of the percentiles after the change, in mean distances of the changed ones from their middle."""
    changed = np.sort(change.factor * then + change.offset)
    spread = float(np.abs(changed - np.median(changed)).mean())
    return float(np.abs(now - changed).mean()) / spread if spread > 0 else float("inf")


def _formula(change: Change) -> str:
    if change.factor == 1.0:
        return f"{change.offset:+g} were added"
    scaled = f"multiplied by {change.factor:.6g}" if change.factor >= 0.1 else f"divided by {1 / change.factor:.6g}"
    return f"{scaled}{f' and {change.offset:+.6g}' if change.offset else ''}"
