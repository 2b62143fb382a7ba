"""Columns of the input: one small histogram each, with the share of rows that have no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.model import ColumnProfile
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Screen, clipped, drawing, rows_axis
from headrace.pipeline.report.pictures.marks import Look, guide, heights, note, ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SMALL_PX = (300, 132)
_TOP = 5


def column(position: int, profile: ColumnProfile) -> Markup:
    """Draw one column as a small card."""

    def paint(figure: Figure, _screen: Screen) -> None:
        if profile.histogram is not None:
            _numeric(figure, profile)
        else:
            _categorical(figure, profile)

    title = f"{profile.name}: {_finding(profile)}"
    null_share = profile.nulls / profile.rows if profile.rows else 0.0
    note = f"{profile.table} \u00b7 {profile.dtype}" + (f" \u00b7 {profile.unit}" if profile.unit else "")
    return element(
        "figure",
        element("h3", title),
        drawing(f"p-column-{position}", paint, _SMALL_PX, label=f"{title}. {_spoken(profile)}"),
        element(
            "figcaption",
            element("span", note),
            element("span", f"{numbers.percent(null_share)} null", class_="null-share"),
            element("meter", min="0", max="1", value=f"{null_share:.6f}", aria_label="share of rows without a value"),
        ),
        class_="picture small",
    )


def title(columns: tuple[ColumnProfile, ...]) -> str:
    """Say what the small pictures show together."""
    emptiest = max(columns, key=lambda profile: profile.nulls / profile.rows if profile.rows else 0.0)
    several = numbers.plural(len(columns), "column")
    if emptiest.nulls == 0:
        return f"None of the {several} shown has a missing value"
    share = numbers.percent(emptiest.nulls / emptiest.rows)
    return f"Of the {several} shown, {emptiest.name} misses most values: {share}"


def _numeric(figure: Figure, profile: ColumnProfile) -> None:
    assert profile.histogram is not None, "the caller has looked"
    axes = figure.add_subplot()
    axes.stairs(heights(profile.histogram), profile.histogram.edges, fill=True, color=sentinel("model"), alpha=0.85)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.margins(x=0)
    axes.set_ylim(0)
    ticks(axes.xaxis, 5)
    axes.xaxis.set_major_formatter(lambda value, _position: numbers.compact(value))
    if profile.mean is not None and numbers.finite(profile.mean):
        guide(axes, profile.mean)


def _categorical(figure: Figure, profile: ColumnProfile) -> None:
    axes = figure.add_subplot()
    top = profile.top[:_TOP]
    rows_axis(axes, [clipped(entry.value, 18) for entry in top])
    axes.barh(range(len(top)), [entry.rows for entry in top], 0.66, color=sentinel("kind-2"), alpha=0.85)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines.bottom.set_visible(False)
    axes.set_xlim(0, max([entry.rows for entry in top] + [1]) * 1.25)
    for row, entry in enumerate(top):
        share = numbers.percent(entry.rows / profile.rows) if profile.rows else numbers.MISSING
        note(axes, share, (entry.rows, row), Look(size=10), shift=(4, 0))


def _finding(profile: ColumnProfile) -> str:
    if profile.histogram is not None:
        unit = f" {profile.unit}" if profile.unit else ""
        return f"mean {numbers.compact(profile.mean)}{unit}"
    if not profile.top:
        return "no values"
    known = profile.distinct if profile.distinct is not None else len(profile.top)
    return f"{numbers.plural(known, 'value')}, most often {clipped(profile.top[0].value, 24)}"


def _spoken(profile: ColumnProfile) -> str:
    if profile.histogram is not None:
        ends = f"from {numbers.compact(profile.minimum)} to {numbers.compact(profile.maximum)}"
        return f"Histogram of {numbers.count(profile.rows - profile.nulls)} values {ends}; the dashed line is the mean."
    return "Rows by value: " + ", ".join(f"{entry.value} {numbers.count(entry.rows)}" for entry in profile.top[:_TOP])
