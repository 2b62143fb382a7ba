"""Quality after release: the figure by period once labels arrived, and what retraining brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import Estimate, Measure, PerformancePeriod, Retraining
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, dot, guide, note, whisker

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def monitored(periods: tuple[PerformancePeriod, ...], offline: Estimate | None, measure: Measure) -> Markup:
    """Draw the figure of served predictions by period, beside the offline one of the test rows."""
    known = [
        (column, period.label, period.figure) for column, period in enumerate(periods) if period.figure is not None
    ]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        if offline is not None:
            guide(axes, offline.value, level=True)
            if offline.low is not None and offline.high is not None:
                axes.axhspan(offline.low, offline.high, color=sentinel("line"), alpha=0.6)
        across, up = [column for column, _, _ in known], [judged.value for _, _, judged in known]
        axes.plot(across, up, color=sentinel("model"), linewidth=1.2)
        for column, _, judged in known:
            whisker(axes, judged, column, "model", upright=True)
            dot(axes, (column, judged.value), "model", size=6)
        labels = [clipped(period.label, 8) for period in periods]
        turned = 60 if screen.narrow else 0 if len(periods) <= 8 else 45
        axes.set_xticks(range(len(periods)), labels, rotation=turned, fontsize=9.5)
        axes.set_xlim(-0.5, len(periods) - 0.5)
        axes.margins(y=0.15)
        axes.set_ylabel(clipped(measure.title, 24))

    labelled = numbers.count(sum(period.labelled for period in periods))
    logged = numbers.count(sum(period.predictions for period in periods))
    text = f"{labelled} labels joined to {logged} logged predictions. Whiskers: 95\u00a0% intervals."
    text += f" Dashed: offline test {measure.title} and its interval." if offline is not None else ""
    alt = "; ".join(f"{label} {numbers.quantity(judged)}" for _, label, judged in known)
    caption = Caption(_monitored_title(known, offline, measure), text, alt or "no period has enough labels")
    return picture("p-monitored", caption, paint, height=290)


def retraining(outcome: Retraining) -> Markup:
    """Draw the candidate's figure beside the champion's."""
    metric = clipped(outcome.measure.title, 24)
    arms = [
        ("naive", f"{outcome.champion or 'champion'}", outcome.champion_figure),
        ("model", f"{outcome.candidate or 'candidate'}", outcome.candidate_figure),
    ]
    shown = [(colour, name, judged) for colour, name, judged in arms if judged is not None]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(name, 18) for _, name, _ in shown])
        for row, (colour, _, judged) in enumerate(shown):
            whisker(axes, judged, row, colour, width=5)
            dot(axes, (judged.value, row), colour, size=10)
            words = numbers.amount(judged.value) if screen.narrow else numbers.quantity(judged)
            note(axes, words, (judged.value, row), Look(ha="center", va="bottom"), shift=(0, 9))
        axes.margins(x=0.35)
        axes.set_xlabel(f"{metric} on the same rows")

    alt = "; ".join(f"{name} {metric} {numbers.quantity(judged)}" for _, name, judged in shown)
    text = f"Trigger: {outcome.trigger}. {_sentence(outcome.reason)} {numbers.count(outcome.new_labels)} new labels."
    if outcome.gates_total is not None:
        text += f" {outcome.gates_passed} of {numbers.plural(outcome.gates_total, 'gate')} passed."
    return picture("p-retraining", Caption(retraining_title(outcome), text, alt), paint, height=190)


def retraining_title(outcome: Retraining) -> str:
    """Say what retraining came to."""
    if outcome.outcome == "skipped":
        return f"Retraining was skipped: {outcome.reason}"
    difference = ""
    if outcome.difference is not None:
        better = "" if outcome.measure.higher_is_better else "better by "
        difference = f", {outcome.measure.title} {better}{numbers.change_interval(outcome.difference)}"
    name = outcome.candidate or "A candidate"
    if outcome.outcome == "rejected":
        return f"{name} was trained and stopped by a gate{difference}"
    return f"{name} was retrained and passed its gates{difference}"


def _monitored_title(known: list[tuple[int, str, Estimate]], offline: Estimate | None, measure: Measure) -> str:
    if not known:
        return "Not enough labels arrived to judge the served predictions"
    worst = min(known, key=lambda entry: entry[2].value)
    best = max(known, key=lambda entry: entry[2].value)
    if len(known) == 1:
        return f"In production the {measure.title} is {numbers.quantity(worst[2])}"
    low, high = numbers.amount(worst[2].value), numbers.amount(best[2].value)
    title = f"{measure.title} in production lies between {low} ({worst[1]}) and {high} ({best[1]})"
    if offline is not None:
        below = sum(_worse(judged, offline.value, measure) for _, _, judged in known)
        title += f"; {below} of {len(known)} periods" if below else "; no period"
        title += f" clearly {'below' if measure.higher_is_better else 'above'} the test"
    return title


def _worse(judged: Estimate, offline: float, measure: Measure) -> bool:
    if measure.higher_is_better:
        return judged.high is not None and judged.high < offline
    return judged.low is not None and judged.low > offline


def _sentence(text: str) -> str:
    text = text.strip()
    return "" if not text else text[0].upper() + text[1:].rstrip(".") + "."
