"""A profile as pictures: a card a column, what is missing, when there are rows, what moves together."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from headrace.data.profiling import ColumnProfile, Correlations, Profile
from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.model import CategoryCount, Histogram
from headrace.pipeline.report.model import ColumnProfile as Card
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures import profile as cards
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, note, ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_CARDS = 60
MAX_MISSING = 20
MAX_CORRELATED = 20
_STEPS = (0.1, 0.3, 0.5, 0.7, 0.9)
WRITTEN = 0.5
"""Coefficients from here on are worth a word."""
_DAY_S = 86_400
_DRAWN = 1e150  # beyond, matplotlib's own sums overflow


def gallery(table: str, profile: Profile) -> Markup | None:
    """A card for each column that has values, in the order of the table; times have a picture of their own."""
    every = (_card(table, column, profile.rows) for column in profile.columns if column.kind != "time")
    filled = tuple(card for card in every if card.histogram is not None or card.top)[:MAX_CARDS]
    if not filled:
        return None
    heading = element("p", cards.title(filled), class_="finding")
    drawn = [cards.column(position, card) for position, card in enumerate(filled)]
    return element("div", heading, element("div", drawn, class_="small-multiples"), class_="full")


def missing(profile: Profile) -> Markup | None:
    """Bars of the share of rows without a value, the emptiest column first; None where nothing is missing."""
    lacking = [column for column in profile.columns if _absent(column)]
    if not lacking or not profile.rows:
        return None
    lacking.sort(key=lambda column: (-_absent(column), column.name))
    shown = lacking[:MAX_MISSING]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(column.name, 18 if screen.narrow else 30) for column in shown])
        nulls = [column.nulls / profile.rows for column in shown]
        nan = [column.nan / profile.rows for column in shown]
        axes.barh(range(len(shown)), nulls, 0.66, color=sentinel("kind-2"), alpha=0.85)
        axes.barh(range(len(shown)), nan, 0.66, left=nulls, color=sentinel("warn"), alpha=0.85)
        axes.set_xlim(0, max(a + b for a, b in zip(nulls, nan, strict=True)) * 1.25)
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.percent(value))
        ticks(axes.xaxis, 4)
        for row, column in enumerate(shown):
            share = _absent(column) / profile.rows
            note(axes, numbers.percent(share), (share, row), Look(size=10), shift=(4, 0))

    first = lacking[0]
    title = f"{numbers.plural(len(lacking), 'column')} of {len(profile.columns)} miss values, {first.name} most"
    text = f"Rows without a value, of {numbers.count(profile.rows)}"
    text += ", NaN behind nulls in another colour." if any(column.nan for column in shown) else "."
    alt = ", ".join(f"{column.name} {numbers.percent(_absent(column) / profile.rows)}" for column in shown)
    return picture("p-missing", Caption(title, text, alt), paint, full=True, height=90 + 22 * len(shown))


def timeline(position: int, column: ColumnProfile) -> Markup:
    """Rows over time, with the longest stretches without any marked."""
    assert column.histogram is not None, "the caller has looked"
    histogram = column.histogram

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        axes.stairs(histogram.counts, histogram.edges, fill=True, color=sentinel("model"), alpha=0.85)
        for gap in column.gaps[:3]:
            start, end = (_micros(moment) for moment in (gap.start, gap.end))
            axes.axvspan(start, end, color=sentinel("bad"), alpha=0.35, linewidth=0)
        axes.set_ylim(0)
        axes.margins(x=0)
        ticks(axes.xaxis, 3 if screen.narrow else 6)
        ticks(axes.yaxis, 3, whole=True)
        span = histogram.edges[-1] - histogram.edges[0]
        axes.xaxis.set_major_formatter(lambda value, _position: _moment(value, span))
        axes.yaxis.set_major_formatter(lambda value, _position: numbers.compact(value))

    order = "rows come in its order" if column.order == "ascending" else f"its rows are {column.order}"
    longest = f"no row for {_length(column.gaps[0].seconds)} at the longest" if column.gaps else "without a long gap"
    title = f"{column.name}: {longest}; {order}"
    text = f"Rows by time, UTC, from {_short(column.min)} to {_short(column.max)}."
    if column.gaps:
        text += " The three longest gaps are shaded."
    if column.steps_back and column.order == "unordered":
        back = _length(column.step_back_s or 0.0)
        text += f" {numbers.plural(column.steps_back, 'row')} lie before the row above, by {back} at most."
    alt = f"Histogram of {numbers.plural(sum(histogram.counts), 'row')} over time."
    return picture(f"p-time-{position}", Caption(title, text, alt), paint, full=True, height=220)


def correlations(pairs: Correlations) -> Markup | None:
    """The lower triangle of coefficients, of the columns that go together most; None with fewer than two."""
    strongest = pairs.strongest(len(pairs.columns) ** 2)
    if not strongest:
        return None
    order = list(dict.fromkeys(name for left, right, _ in strongest for name in (left, right)))[:MAX_CORRELATED]
    shown = [name for name in pairs.columns if name in order]
    places = [pairs.columns.index(name) for name in shown]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        axes.grid(visible=False)
        rows_axis(axes, [clipped(name, 14 if screen.narrow else 24) for name in shown])
        for row, left in enumerate(places):
            for column, right in enumerate(places[:row]):
                _cell(axes, (column, row), pairs.values[left][right], narrow=screen.narrow)
        axes.set_xlim(-0.5, len(shown) - 0.5)
        labels = [clipped(name, 10 if screen.narrow else 18) for name in shown]
        axes.set_xticks(range(len(shown)), labels, fontsize=9.5, rotation=60, ha="right", rotation_mode="anchor")
        axes.tick_params(axis="x", labelcolor=sentinel("ink"))
        axes.spines.bottom.set_visible(False)

    left, right, value = strongest[0]
    title = f"{left} and {right} move together most: {numbers.metric(value, 2)}"
    text = "Pearson's coefficient over the rows where both have a value; from one half on it is written out."
    if len(shown) < len(pairs.columns):
        text += f" {len(shown)} of {len(pairs.columns)} numeric columns are shown."
    alt = "; ".join(f"{a} and {b} {numbers.metric(r, 2)}" for a, b, r in strongest[:5])
    size = 110 + 24 * len(shown)
    return picture("p-correlations", Caption(title, text, alt), paint, full=True, height=size, narrow=size)


def _cell(axes: Axes, place: tuple[int, int], value: float | None, *, narrow: bool) -> None:
    from matplotlib.patches import Rectangle

    column, row = place
    if value is None:
        note(axes, "\u00b7", (column, row), Look("soft", "center"))
        return
    level = sum(abs(value) >= step for step in _STEPS)
    axes.add_patch(Rectangle((column - 0.47, row - 0.44), 0.94, 0.88, color=sentinel(f"heat-{level}")))
    if abs(value) >= WRITTEN and not narrow:
        look = Look("heat-ink" if abs(value) >= _STEPS[3] else "ink", "center", size=9.5, bold=True)
        note(axes, numbers.metric(value, 2), (column, row), look)


def _card(table: str, column: ColumnProfile, rows: int) -> Card:
    numeric = column.kind in ("int", "float")
    histogram = column.histogram if numeric else None
    if histogram is not None and max(abs(histogram.edges[0]), abs(histogram.edges[-1])) > _DRAWN:
        histogram = None
    return Card(
        table=table,
        name=column.name,
        dtype=column.dtype or column.arrow,
        rows=rows,
        nulls=column.nulls,
        histogram=Histogram(histogram.edges, histogram.counts) if histogram else None,
        top=tuple(CategoryCount(_short(str(top.value)), top.count) for top in column.top),
        distinct=column.distinct,
        minimum=column.min if numeric else None,
        mean=column.mean if numeric else None,
        maximum=column.max if numeric else None,
    )


def _absent(column: ColumnProfile) -> int:
    return column.nulls + column.nan


def _micros(moment: str) -> float:
    try:
        return datetime.fromisoformat(moment).timestamp() * 1e6
    except ValueError:  # beyond the years that Python counts
        return float(moment.removesuffix(" us"))


def _moment(micros: float, span: float) -> str:
    try:
        moment = datetime.fromtimestamp(micros / 1e6, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return numbers.compact(micros)
    return moment.strftime("%Y-%m-%d" if span > 3 * _DAY_S * 1e6 else "%d %H:%M:%S")


def _short(moment: str) -> str:
    """An ISO 8601 time for people: no T, no zone; seconds only where there are any."""
    return re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::00)?(\S*?)(?:\+00:00)$", r"\1 \2\3", moment)


def _length(seconds: float) -> str:
    if seconds >= 2 * _DAY_S:
        return f"{numbers.compact(seconds / _DAY_S)} days"
    return f"{numbers.compact(seconds / 3600)} h" if seconds >= 3600 else numbers.seconds(seconds)
