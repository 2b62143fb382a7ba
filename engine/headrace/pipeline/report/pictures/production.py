"""Quality after release: AUC by period once labels arrived, and what retraining brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import Estimate, PerformancePeriod, Retraining
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, dot, guide, note, whisker

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def monitored(periods: tuple[PerformancePeriod, ...], offline: Estimate | None) -> Markup:
    """Draw the AUC of served predictions by period, beside the offline test AUC."""
    known = [(column, period.label, period.auc) for column, period in enumerate(periods) if period.auc is not None]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        if offline is not None:
            guide(axes, offline.value, level=True)
            if offline.low is not None and offline.high is not None:
                axes.axhspan(offline.low, offline.high, color=sentinel("line"), alpha=0.6)
        across, up = [column for column, _, _ in known], [auc.value for _, _, auc in known]
        axes.plot(across, up, color=sentinel("model"), linewidth=1.2)
        for column, _, auc in known:
            whisker(axes, auc, column, "model", upright=True)
            dot(axes, (column, auc.value), "model", size=6)
        labels = [clipped(period.label, 8) for period in periods]
        turned = 60 if screen.narrow else 0 if len(periods) <= 8 else 45
        axes.set_xticks(range(len(periods)), labels, rotation=turned, fontsize=9.5)
        axes.set_xlim(-0.5, len(periods) - 0.5)
        axes.margins(y=0.15)
        axes.set_ylabel("AUC")

    labelled = numbers.count(sum(period.labelled for period in periods))
    logged = numbers.count(sum(period.predictions for period in periods))
    text = f"{labelled} labels joined to {logged} logged predictions. Whiskers: 95\u00a0% intervals."
    text += " Dashed: offline test AUC and its interval." if offline is not None else ""
    alt = "; ".join(f"{label} {numbers.interval(auc)}" for _, label, auc in known) or "no period has enough labels"
    return picture("p-monitored", Caption(_monitored_title(known, offline), text, alt), paint, height=290)


def retraining(outcome: Retraining) -> Markup:
    """Draw the candidate's AUC beside the champion's."""
    arms = [
        ("naive", f"{outcome.champion or 'champion'}", outcome.champion_auc),
        ("model", f"{outcome.candidate or 'candidate'}", outcome.candidate_auc),
    ]
    shown = [(colour, name, auc) for colour, name, auc in arms if auc is not None]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(name, 18) for _, name, _ in shown])
        for row, (colour, _, auc) in enumerate(shown):
            whisker(axes, auc, row, colour, width=5)
            dot(axes, (auc.value, row), colour, size=10)
            words = numbers.metric(auc.value) if screen.narrow else numbers.interval(auc)
            note(axes, words, (auc.value, row), Look(ha="center", va="bottom"), shift=(0, 9))
        axes.margins(x=0.35)
        axes.set_xlabel("AUC on the same rows")

    alt = "; ".join(f"{name} AUC {numbers.interval(auc)}" for _, name, auc in shown)
    text = f"Trigger: {outcome.trigger}. {_sentence(outcome.reason)} {numbers.count(outcome.new_labels)} new labels."
    if outcome.gates_total is not None:
        text += f" {outcome.gates_passed} of {numbers.plural(outcome.gates_total, 'gate')} passed."
    return picture("p-retraining", Caption(retraining_title(outcome), text, alt), paint, height=190)


def retraining_title(outcome: Retraining) -> str:
    """Say what retraining came to."""
    if outcome.outcome == "skipped":
        return f"Retraining was skipped: {outcome.reason}"
    difference = f", AUC {numbers.change_interval(outcome.difference)}" if outcome.difference is not None else ""
    name = outcome.candidate or "A candidate"
    if outcome.outcome == "rejected":
        return f"{name} was trained and stopped by a gate{difference}"
    return f"{name} was retrained and passed its gates{difference}"


def _monitored_title(known: list[tuple[int, str, Estimate]], offline: Estimate | None) -> str:
    if not known:
        return "Not enough labels arrived to judge the served predictions"
    worst = min(known, key=lambda entry: entry[2].value)
    best = max(known, key=lambda entry: entry[2].value)
    if len(known) == 1:
        return f"In production the AUC is {numbers.interval(worst[2])}"
    low, high = numbers.metric(worst[2].value), numbers.metric(best[2].value)
    title = f"AUC in production lies between {low} ({worst[1]}) and {high} ({best[1]})"
    if offline is not None:
        below = sum(auc.high is not None and auc.high < offline.value for _, _, auc in known)
        title += f"; {below} of {len(known)} periods" if below else "; no period"
        title += " clearly below the test"
    return title


def _sentence(text: str) -> str:
    text = text.strip()
    return "" if not text else text[0].upper() + text[1:].rstrip(".") + "."
