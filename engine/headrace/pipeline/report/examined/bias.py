"""Who is in the tables: shares and label rates of groups with intervals, and columns that stand in for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import Estimate
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import dot, guide, note, whisker
from headrace.validation.bias import Group, ProxyReport, Representation
from headrace.validation.examination import Examination

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GROUPS_SHOWN = 20
_PROXIES_SHOWN = 12


def pictures(examined: Sequence[Examination]) -> Iterator[Markup]:
    """For each table: groups, their rates, proxies."""
    for table in examined:
        for position, groups in enumerate(table.groups):
            yield _shares(f"{table.name}-{position}", groups)
            if any(group.rate is not None for group in groups.groups):
                yield _rates(f"{table.name}-{position}", groups)
        for position, report in enumerate(table.proxies):
            if report.proxies:
                yield _proxies(f"{table.name}-{position}", report)


def _shares(name: str, found: Representation) -> Markup:
    shown = found.groups[:_GROUPS_SHOWN]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [_name(group, narrow=screen.narrow) for group in shown])
        colours = [sentinel("warn" if group.small else "kind-2") for group in shown]
        axes.barh(range(len(shown)), [group.share for group in shown], 0.62, color=colours, alpha=0.85)
        for row, group in enumerate(shown):
            words = numbers.percent(group.share) if screen.narrow else _rows(group)
            note(axes, words, (group.share, row), shift=(5, 0))
        axes.set_xlim(0, max(group.share for group in shown) * 1.5)
        axes.set_xticks([])
        axes.spines.bottom.set_visible(False)

    small = [group for group in found.groups if group.small]
    title = f"{found.column}: {numbers.plural(len(found.groups), 'group')}"
    title += f", {len(small)} too small to judge" if small else ", none too small to judge"
    text = "Share of the rows by group; an exclamation mark names groups with too few rows to say anything about."
    alt = "; ".join(f"{group.name} {_rows(group)}" for group in shown)
    return picture(f"p-groups-{name}", Caption(title, text, alt), paint, height=60 + 24 * len(shown))


def _rates(name: str, found: Representation) -> Markup:
    shown = [group for group in found.groups if group.rate is not None][:_GROUPS_SHOWN]
    labelled = sum(group.labelled for group in found.groups)
    overall = sum(group.positives for group in found.groups) / max(1, labelled)

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [_name(group, narrow=screen.narrow) for group in shown])
        guide(axes, overall)
        for row, group in enumerate(shown):
            assert group.rate is not None
            colour = "warn" if group.small else "model"
            whisker(axes, Estimate(group.rate, group.rate_low, group.rate_high), row, colour)
            dot(axes, (group.rate, row), colour, fine=not group.small)
        axes.margins(x=0.08)
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.percent(value, 0))
        axes.set_xlabel("rows with the outcome")

    told = next((finding for finding in found.findings if finding.kind == "label_rate"), None)
    judged = [group for group in shown if not group.small] or shown
    low = min(judged, key=lambda group: group.rate or 0.0)
    high = max(judged, key=lambda group: group.rate or 0.0)
    ends = [f"{numbers.percent(group.rate)} ({clipped(group.name, 16)})" for group in (low, high)]
    title = f"{found.column}: from {ends[0]} to {ends[1]}"
    text = f"Outcome rate by group with 95\u00a0% intervals (Wilson). Dashed: all rows, {numbers.percent(overall)}. "
    text += "The lowest is below four fifths of the highest, beyond chance." if told else ""
    alt = "; ".join(
        f"{g.name} {numbers.percent_interval(Estimate(g.rate or 0.0, g.rate_low, g.rate_high))}" for g in shown
    )
    return picture(f"p-rates-{name}", Caption(title, text, alt), paint, height=76 + 24 * len(shown))


def _proxies(name: str, report: ProxyReport) -> Markup:
    shown = report.proxies[:_PROXIES_SHOWN]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(proxy.column, 16 if screen.narrow else 28) for proxy in shown])
        for row, proxy in enumerate(shown):
            colour = "bad" if proxy.tells else "model"
            axes.plot([0.5, proxy.auc], [row, row], color=sentinel(colour), linewidth=3, alpha=0.6)
            dot(axes, (proxy.auc, row), colour, fine=not proxy.tells)
            note(axes, numbers.metric(proxy.auc, 2), (max(proxy.auc, 0.5), row), shift=(8, 0))
        axes.set_xlim(0.47, 1.06)
        axes.set_xlabel("AUC, out of fold; 0.5 is a guess")

    telling = [proxy for proxy in report.proxies if proxy.tells]
    title = f"{report.sensitive}: {numbers.plural(len(telling), 'column')} predict{'s' if len(telling) == 1 else ''} it"
    title += (
        f", most of all {telling[0].column}"
        if telling
        else f", all together with AUC {numbers.metric(report.together, 2)}"
    )
    text = f"How well each column alone predicts {report.sensitive}, on {numbers.plural(report.rows, 'row')}. "
    text += f"All together: {numbers.metric(report.together, 2)}."
    alt = "; ".join(f"{proxy.column} {numbers.metric(proxy.auc, 2)}" for proxy in shown)
    return picture(f"p-proxies-{name}", Caption(title, text, alt), paint, height=76 + 24 * len(shown))


def _name(group: Group, *, narrow: bool) -> str:
    return ("! " if group.small else "") + clipped(group.name, 14 if narrow else 26)


def _rows(group: Group) -> str:
    return f"{numbers.percent(group.share)}, {numbers.plural(group.rows, 'row')}"
