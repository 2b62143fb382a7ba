"""Where to act, whom it meets, where the model is weak, and what broken inputs cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import Decisions, Estimate, Fairness, Robustness, WeakSlice, WeakSlices, spelled
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, corner_note, dot, guide, note, whisker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 12
FOUR_FIFTHS = 0.8


def decisions(found: Decisions) -> Markup:
    """Draw what the rule looks at by threshold, the chosen one marked, and what follows on the test rows."""
    asked = spelled(clipped(found.asked, 24))
    known = [(at, value) for at, value in found.curve if numbers.finite(at) and numbers.finite(value)]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        axes.plot(*zip(*known, strict=True), color=sentinel("model"), linewidth=1.8)
        if found.threshold is not None:
            guide(axes, found.threshold)
            chosen = min(known, key=lambda point: abs(point[0] - (found.threshold or 0.0)))
            dot(axes, chosen, "model")
        for line, (name, one) in enumerate(found.figures[:4]):
            words = f"{clipped(spelled(name), 20)} {numbers.amount(one.value)}"
            size = 10 if screen.narrow else 11
            corner_note(axes, words, (0.985, 0.97 - 0.09 * line), Look("soft", "right", "top", size))
        axes.margins(x=0.02, y=0.12)
        axes.set_xlabel("threshold: rows that score at least this are acted on")
        axes.set_ylabel(f"{asked} a row" if found.asked == "profit" else asked)

    figures = ", ".join(f"{spelled(name)} {numbers.quantity(one)}" for name, one in found.figures)
    text = f"{found.rule}. The curve: rows of the validation part, on which the choice was made."
    text += f" On the test rows: {figures}. Brackets: 95\u00a0% intervals."
    return picture("p-decisions", Caption(_decisions_title(found), text, figures), paint, height=290)


def fairness(position: int, found: Fairness) -> Markup:
    """Draw how many rows of each group are acted on."""

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(group.name, 18 if screen.narrow else 34) for group in found.groups])
        highest = max(group.rate.value for group in found.groups)
        guide(axes, highest * FOUR_FIFTHS)
        for row, group in enumerate(found.groups):
            whisker(axes, group.rate, row, "model")
            dot(axes, (group.rate.value, row), "model", size=6)
        axes.margins(x=0.08)
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.percent(value))
        axes.set_xlabel("share of rows acted on")

    text = "Share of each group's test rows at or above the threshold, with 95\u00a0% intervals. "
    text += "Dashed: four fifths of the highest rate."
    if found.insufficient:
        text += f" Too few rows to judge: {', '.join(found.insufficient[:6])}."
    alt = "; ".join(f"{group.name} {numbers.percent_interval(group.rate)}" for group in found.groups)
    return picture(
        f"p-fairness-{position}", Caption(_fairness_title(found), text, alt), paint, height=84 + 20 * len(found.groups)
    )


def weak_slices(found: WeakSlices) -> Markup:
    """Draw how much more the model loses in the slices that a search found."""
    shown = found.slices[:SHOWN]

    first = shown[0]
    title = f"Weakest where {first.name}: {numbers.percent(first.share, 0)} of the rows, {found.loss}"
    title += f" {numbers.change_interval(first.excess)}"
    text = (
        f"Found by a shallow tree on half of the days, judged on {numbers.count(found.rows)} rows of the other half; "
    )
    text += f"{found.judged} were judged, those shown are worse beyond chance (Holm). Small figures: share of the rows."
    alt = "; ".join(f"{one.name}: {numbers.change_interval(one.excess)}" for one in shown)
    return _excesses("p-weak", Caption(title, text, alt), shown, f"mean {found.loss} above the other rows'")


def overconfident(found: WeakSlices) -> Markup:
    """Draw how much more the model loses than its own probabilities say, in the slices that a search found."""
    shown = found.slices[:SHOWN]
    first = shown[0]
    title = f"Too sure of itself where {first.name}: {found.loss} {numbers.change_interval(first.excess)}"
    text = "The loss minus the one that the scores themselves expect, searched and judged as above on "
    text += f"{numbers.count(found.rows)} rows: here a score is not a probability."
    alt = "; ".join(f"{one.name}: {numbers.change_interval(one.excess)}" for one in shown)
    return _excesses("p-overconfident", Caption(title, text, alt), shown, f"{found.loss} above what is expected")


def _excesses(name: str, caption: Caption, shown: tuple[WeakSlice, ...], label: str) -> Markup:
    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(one.name, 24 if screen.narrow else 60) for one in shown])
        guide(axes, 0)
        for row, one in enumerate(shown):
            whisker(axes, one.excess, row, "bad")
            dot(axes, (one.excess.value, row), "bad", size=6)
            note(axes, numbers.percent(one.share, 0), (one.excess.value, row), Look("soft", "center", "bottom", 9.5))
        axes.margins(x=0.1, y=0.25)
        axes.set_xlabel(clipped(label, 60))

    return picture(name, caption, paint, full=True, height=90 + 30 * len(shown))


def robustness(found: Robustness) -> Markup:
    """Draw how much each broken input costs, worst first."""
    shown, metric = found.damages[:SHOWN], clipped(found.measure.title, 24)

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(one.name, 26 if screen.narrow else 62) for one in shown])
        for row, one in enumerate(shown):
            colour = "bad" if _clear(one.drop) else "soft"
            axes.barh(row, one.drop.value, 0.6, color=sentinel(colour), alpha=0.75)
            whisker(axes, one.drop, row, "ink")
        axes.margins(x=0.05)
        axes.set_xlabel(f"test {metric} lost" if found.measure.higher_is_better else f"test {metric} added")

    worst = shown[0]
    title = f"Worst of {numbers.plural(len(found.damages), 'broken input')}: {worst.name} costs {metric}"
    title += f" {numbers.quantity(worst.drop)}"
    if not _clear(worst.drop):
        title = f"None of {numbers.plural(len(found.damages), 'broken input')} costs {metric} beyond chance"
    text = f"{numbers.count(found.rows)} test rows, intact {numbers.amount(found.intact)}. "
    text += "Whiskers: paired 95\u00a0% intervals; grey bars are within chance."
    if len(found.damages) > len(shown):
        text += f" {len(found.damages) - len(shown)} smaller ones are in the table."
    alt = "; ".join(f"{one.name}: {numbers.quantity(one.drop)}" for one in shown)
    return picture("p-robustness", Caption(title, text, alt), paint, full=True, height=70 + 24 * len(shown))


def _decisions_title(found: Decisions) -> str:
    if found.threshold is None:
        return "No threshold pays: nobody is acted on"
    figures = dict(found.figures)
    title = f"Acting from a score of {numbers.metric(found.threshold)}"
    if "profit" in figures:
        return f"{title} brings {numbers.quantity(figures['profit'])} a row"
    share = figures.get("selection_rate")
    return f"{title} meets {numbers.percent_interval(share)} of the rows" if share is not None else title


def _fairness_title(found: Fairness) -> str:
    if found.ratio is None:
        return f"Too few groups of {found.column} to compare"
    ratio = numbers.quantity(found.ratio)
    words = {
        "holds": f"The four-fifths rule holds by {found.column}: lowest rate over highest {ratio}",
        "broken": f"The four-fifths rule is broken by {found.column}: lowest rate over highest {ratio}",
        "open": f"By {found.column} the four-fifths rule can be neither shown nor refuted: {ratio}",
    }
    return words.get(found.four_fifths, words["open"])


def _clear(drop: Estimate) -> bool:
    return drop.low is not None and drop.low > 0
