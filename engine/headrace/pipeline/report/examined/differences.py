"""What is unlike the reference: each finding's size beside its limit, and the columns now and then."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, drawing, picture, rows_axis
from headrace.pipeline.report.pictures.marks import guide, note, ticks
from headrace.validation.examination import Examination
from headrace.validation.findings import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 16
_CARDS = 12
_SMALL_PX = (300, 140)


def pictures(examined: Sequence[Examination]) -> Iterator[Markup]:
    """The findings of all tables, largest first, then one card a column whose distribution can be shown."""
    found = [(table.name, finding) for table in examined if table.anomalies for finding in table.anomalies.findings]
    if not found:
        return
    yield _sizes(found)
    drawn = [(name, finding) for name, finding in found if "now" in finding.evidence and "then" in finding.evidence]
    drawn = [pair for pair in drawn if isinstance(pair[1].evidence["now"], list)]
    if drawn:
        cards = [_card(position, name, finding) for position, (name, finding) in enumerate(drawn[:_CARDS])]
        several = numbers.plural(len(drawn), "column")
        heading = element("p", f"{several} now (filled) and in the reference (line)", class_="finding")
        yield element("div", heading, element("div", cards, class_="small-multiples"), class_="full")


def _sizes(found: list[tuple[str, Finding]]) -> Markup:
    shown = sorted(found, key=lambda pair: -pair[1].effect)[:_SHOWN]
    effects = [min(finding.effect, 1e6) for _, finding in shown]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        limit = 22 if screen.narrow else 46
        rows_axis(axes, [clipped(_label(name, finding), limit) for name, finding in shown])
        axes.barh(range(len(shown)), effects, 0.6, left=0.5, color=sentinel("bad"), alpha=0.85)
        guide(axes, 1.0)
        axes.set_xscale("log")
        axes.set_xlim(0.5, max(3.0, max(effects) * 3))
        for row, effect in enumerate(effects):
            note(axes, f"\u00d7{numbers.compact(effect)}", (effect + 0.5, row), shift=(5, 0))
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.compact(value))
        axes.set_xlabel("times its limit")
        axes.spines.bottom.set_visible(False)

    kinds = sorted({finding.kind.replace("_", " ") for _, finding in found})
    title = f"{numbers.plural(len(found), 'finding')}: {', '.join(kinds)}"
    text = "Dashed: the limit, below which a difference does not count. Bars of 1 have no scale: they are so or not."
    alt = "; ".join(finding.message for _, finding in shown)
    return picture("p-differences", Caption(title, text, alt), paint, full=True, height=80 + 26 * len(shown))


def _label(table: str, finding: Finding) -> str:
    return f"{table}.{finding.column or '*'}: {finding.kind.replace('_', ' ')}"


def _card(position: int, table: str, finding: Finding) -> Markup:
    now, then = finding.evidence["now"], finding.evidence["then"]

    def paint(figure: Figure, _screen: Screen) -> None:
        axes = figure.add_subplot()
        if "edges" in finding.evidence:
            edges = finding.evidence["edges"]
            axes.stairs(now, edges, fill=True, color=sentinel("bad"), alpha=0.55)
            axes.stairs(then, edges, color=sentinel("model"), linewidth=1.8)
            axes.set_yticks([])
            axes.xaxis.set_major_formatter(lambda value, _position: numbers.compact(value))
            ticks(axes.xaxis, 5)
        else:
            values = finding.evidence["values"][:6]
            rows_axis(axes, [clipped(str(value), 16) for value in values])
            axes.barh(range(len(values)), now[:6], 0.6, color=sentinel("bad"), alpha=0.55)
            axes.plot(then[:6], range(len(values)), "|", color=sentinel("model"), markersize=13, markeredgewidth=2.4)
            axes.set_xticks([])
            axes.spines.bottom.set_visible(False)
        axes.grid(visible=False)
        axes.margins(x=0.02)

    title = f"{finding.column}: {finding.kind.replace('_', ' ')}"
    words = finding.message.removeprefix(f"{finding.column}: ")
    return element(
        "figure",
        element("h3", title),
        drawing(f"p-now-then-{position}", paint, _SMALL_PX, label=finding.message),
        element("figcaption", element("span", f"{table} \u00b7 {words}")),
        class_="picture small",
    )


def size_of(finding: Finding) -> float | None:
    """The effect as a number to sort by; None where it is not finite."""
    return finding.effect if math.isfinite(finding.effect) else None
