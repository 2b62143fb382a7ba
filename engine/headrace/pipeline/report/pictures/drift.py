"""Drift as a map: features down, periods across, how far each statistic is over its threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.model import Drift
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, note

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEPS = (0.33, 0.67, 1.0, 2.0, 5.0)  # heat-0 below the first, heat-5 above the last; 1 is the threshold


def heat_map(drift: Drift) -> Markup:
    """Draw statistic over threshold for every feature shown and period."""
    periods, series = drift.periods, drift.series

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        names = [clipped(entry.feature, 20 if screen.narrow else 40) for entry in series]
        rows_axis(axes, names)
        axes.grid(visible=False)
        for row, entry in enumerate(series):
            for column, value in enumerate(entry.over_threshold[: len(periods)]):
                _cell(axes, (column, row), value, narrow=screen.narrow)
        axes.set_xlim(-0.5, len(periods) - 0.5)
        labels = [clipped(period.label, 8 if screen.narrow else 12) for period in periods]
        axes.set_xticks(
            range(len(periods)), labels, rotation=60 if screen.narrow else 0, fontsize=9.5, color=sentinel("ink")
        )
        axes.spines.bottom.set_visible(False)
        axes.xaxis.tick_top()
        _marks(axes, drift, narrow=screen.narrow)

    clean = sum(not period.injected and period.verdict != "insufficient" for period in periods)
    text = (
        f"A feature's strongest drift statistic divided by its threshold, by period; above 1 is drift and written out. "
        f"{numbers.plural(drift.judged_features, 'feature')} judged, {len(series)} shown; "
        f"{numbers.plural(clean, 'clean period')}, {numbers.plural(drift.false_alarms, 'false alarm')}."
    )
    if drift.injected_feature:
        text += f" Put in on purpose (marked \u25bc): {drift.injected_feature}, {drift.injected_change or 'changed'}."
    caption = Caption(_title(drift, clean), text, _alt(drift), _legend())
    return picture("p-drift", caption, paint, full=True, height=78 + 25 * len(series), narrow=120 + 25 * len(series))


def _cell(axes: Axes, place: tuple[int, int], value: float | None, *, narrow: bool) -> None:
    from matplotlib.patches import Rectangle

    column, row = place
    if value is None or not numbers.finite(value):
        note(axes, "\u00b7", (column, row), Look("soft", "center"))
        return
    level = sum(value >= step for step in _STEPS)
    axes.add_patch(Rectangle((column - 0.47, row - 0.44), 0.94, 0.88, color=sentinel(f"heat-{level}")))
    if value >= 1:
        words = numbers.compact(value) if narrow else f"\u00d7{numbers.compact(value)}"
        note(axes, words, (column, row), Look("heat-ink", "center", size=8.5 if narrow else 10, bold=True))


def _marks(axes: Axes, drift: Drift, *, narrow: bool) -> None:
    bottom = len(drift.series) - 0.25
    for column, period in enumerate(drift.periods):
        if period.injected:
            note(axes, "\u25bc", (column, -0.72), Look("bad", "center", size=9))
        words = {"quiet": "quiet", "drift": "drift", "insufficient": "too few"}[period.verdict]
        alarm = period.verdict == "drift"
        look = Look("bad" if alarm else "soft", "center", "top", 9.5, bold=alarm, turned=60 if narrow else 0)
        note(axes, words, (column, bottom), look)
    axes.set_ylim(len(drift.series) + (1.6 if narrow else 0.5), -1.0)


def _legend() -> Markup:
    words = ("quiet", "above \u2153", "above \u2154", "over its threshold", "twice", "five times or more")
    entries = (element("li", element("i", class_=f"heat-{level}"), text) for level, text in enumerate(words))
    return element("ul", entries, class_="legend")


def _title(drift: Drift, clean: int) -> str:
    quiet = (
        f"all {numbers.plural(clean, 'clean period')} stayed quiet"
        if drift.false_alarms == 0
        else f"{drift.false_alarms} of {numbers.plural(clean, 'clean period')} raised a false alarm"
    )
    if not drift.injected_feature:
        if drift.found is not None:
            return f"Drift found, first in {drift.found}"
        return quiet[0].upper() + quiet[1:]
    if drift.found == drift.injected_feature:
        return f"The injected change in {drift.found} was found and named; {quiet}"
    if drift.found is None:
        return f"The injected change in {drift.injected_feature} was not found; {quiet}"
    return f"The injected change in {drift.injected_feature} was blamed on {drift.found}; {quiet}"


def _alt(drift: Drift) -> str:
    over = [
        f"{entry.feature} {period.label} {numbers.compact(value)} times its threshold"
        for entry in drift.series
        for period, value in zip(drift.periods, entry.over_threshold, strict=False)
        if value is not None and value >= 1
    ]
    return "Over the threshold: " + ("; ".join(over) if over else "nothing")
