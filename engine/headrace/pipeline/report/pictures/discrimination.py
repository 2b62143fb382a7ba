"""How well the model tells positives from the rest: ROC beside the naive baseline, and what windows are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import Ablation, Estimate, Evaluation
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, corner_note, diagonal, note, whisker

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def roc(evaluation: Evaluation, positives: str) -> Markup:
    """Draw the ROC curves of the model and the naive baseline."""
    scorers = [("model", "solid", evaluation.model)]
    if evaluation.naive is not None:
        scorers.append(("naive", "dashed", evaluation.naive))

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        diagonal(axes)
        for colour, dashes, scorer in reversed(scorers):
            if scorer.roc is not None:
                rates = scorer.roc.false_positive_rate, scorer.roc.true_positive_rate
                axes.plot(*rates, color=sentinel(colour), linestyle=dashes)
        for line, (colour, _, scorer) in enumerate(scorers):
            words = f"{clipped(scorer.name, 26)}\nAUC {numbers.interval(scorer.auc)}"
            look = Look(colour, "right", "top", 10.5 if screen.narrow else 11, bold=line == 0)
            corner_note(axes, words, (0.985, 0.30 - 0.15 * line), look)
        axes.set_xlabel("false positive rate")
        axes.set_ylabel("true positive rate")

    rows = f"{numbers.count(evaluation.rows)} test rows, {numbers.count(evaluation.positives)} {positives}"
    caption = Caption(
        _roc_title(evaluation, positives),
        f"Receiver operating characteristic, {evaluation.split}: {rows}. Brackets: 95\u00a0% intervals.",
        "ROC curves: " + "; ".join(f"{scorer.name} AUC {numbers.interval(scorer.auc)}" for _, _, scorer in scorers),
    )
    return picture("p-roc", caption, paint, height=430, narrow=340)


def windows(ablation: Ablation) -> Markup:
    """Draw AUC with and without window features."""
    arms = [("model", ablation.full), ("naive", ablation.without_windows)]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        names = [f"{clipped(arm.name, 18)}\n{numbers.plural(arm.features, 'feature')}" for _, arm in arms]
        rows_axis(axes, names)
        for row, (colour, arm) in enumerate(arms):
            axes.barh(row, arm.auc.value - 0.5, 0.5, left=0.5, color=sentinel(colour), alpha=0.9)
            whisker(axes, arm.auc, row, "ink")
            end = arm.auc.high if arm.auc.high is not None else arm.auc.value
            words = numbers.metric(arm.auc.value) if screen.narrow else numbers.interval(arm.auc)
            note(axes, words, (end, row), shift=(6, 0))
        highest = max(arm.auc.value for _, arm in arms)
        axes.set_xlim(0.5, max(0.6, 0.5 + (highest - 0.5) * (1.3 if screen.narrow else 1.65)))
        axes.set_xlabel("test AUC (0.5 is chance)")

    gain = ablation.full.auc.value - ablation.without_windows.auc.value
    paired = ablation.difference
    shown = numbers.change_interval(paired) if paired is not None else numbers.change(gain)
    title = f"Window features change the test AUC by {shown}"
    if _clear(paired, gain):
        title = (
            f"Window features add {shown.removeprefix('+')} to the test AUC"
            if gain > 0
            else f"Window features cost test AUC: {shown}"
        )
    text = "Same rows, same training, with and without window features. Whiskers: 95\u00a0% intervals"
    text += "; the difference is paired." if paired is not None else "."
    alt = "; ".join(f"{arm.name}, {arm.features} features: AUC {numbers.interval(arm.auc)}" for _, arm in arms)
    return picture("p-windows", Caption(title, text, alt), paint, height=200)


def _clear(paired: Estimate | None, gain: float) -> bool:
    if paired is None or paired.low is None or paired.high is None:
        return gain != 0
    return paired.low > 0 or paired.high < 0


def _roc_title(evaluation: Evaluation, positives: str) -> str:
    model, naive = evaluation.model.auc, evaluation.naive
    if naive is None:
        return f"{evaluation.model.name} ranks {positives} with AUC {numbers.metric(model.value)}"
    against = f"AUC {numbers.metric(model.value)} against {numbers.metric(naive.auc.value)}"
    low = model.low if model.low is not None else model.value
    high = naive.auc.high if naive.auc.high is not None else naive.auc.value
    if low > high:
        return f"{evaluation.model.name} ranks {positives} better than {naive.name}: {against}"
    return f"{evaluation.model.name} is not clearly better than {naive.name} at ranking {positives}: {against}"
