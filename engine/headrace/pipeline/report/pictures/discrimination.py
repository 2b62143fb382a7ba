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

_CHANCE = {"auc": 0.5, "macro_auc": 0.5}


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
            words = f"{clipped(scorer.name, 26)}\nAUC {numbers.interval(scorer.figure)}"
            look = Look(colour, "right", "top", 10.5 if screen.narrow else 11, bold=line == 0)
            corner_note(axes, words, (0.985, 0.30 - 0.15 * line), look)
        axes.set_xlabel("false positive rate")
        axes.set_ylabel("true positive rate")

    rows = f"{numbers.count(evaluation.rows)} test rows, {numbers.count(evaluation.positives)} {positives}"
    caption = Caption(
        _roc_title(evaluation, positives),
        f"Receiver operating characteristic, {evaluation.split}: {rows}. Brackets: 95\u00a0% intervals.",
        "ROC curves: " + "; ".join(f"{scorer.name} AUC {numbers.interval(scorer.figure)}" for _, _, scorer in scorers),
    )
    return picture("p-roc", caption, paint, height=430, narrow=340)


def windows(ablation: Ablation) -> Markup:
    """Draw the figure with and without window features; bars begin at chance where a metric has one."""
    metric, chance = clipped(ablation.measure.title, 24), _CHANCE.get(ablation.measure.name, 0.0)
    arms = [("model", ablation.full), ("naive", ablation.without_windows)]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        names = [f"{clipped(arm.name, 18)}\n{numbers.plural(arm.features, 'feature')}" for _, arm in arms]
        rows_axis(axes, names)
        for row, (colour, arm) in enumerate(arms):
            axes.barh(row, arm.figure.value - chance, 0.5, left=chance, color=sentinel(colour), alpha=0.9)
            whisker(axes, arm.figure, row, "ink")
            end = arm.figure.high if arm.figure.high is not None else arm.figure.value
            words = numbers.amount(arm.figure.value) if screen.narrow else numbers.quantity(arm.figure)
            note(axes, words, (end, row), shift=(6, 0))
        room = (1.3 if screen.narrow else 1.65) * (max(arm.figure.value for _, arm in arms) - chance)
        axes.set_xlim(chance, chance + max(0.1 if chance else 1e-9, room))
        axes.set_xlabel(f"test {metric} ({chance:g} is chance)" if chance else f"test {metric}")

    title = _windows_title(ablation)
    paired = ablation.difference
    text = "Same rows, same training, with and without window features. Whiskers: 95\u00a0% intervals"
    text += "; the difference is paired." if paired is not None else "."
    alt = "; ".join(f"{arm.name}, {arm.features} features: {metric} {numbers.quantity(arm.figure)}" for _, arm in arms)
    return picture("p-windows", Caption(title, text, alt), paint, height=200)


def _windows_title(ablation: Ablation) -> str:
    metric, paired = ablation.measure.title, ablation.difference
    rises = ablation.full.figure.value - ablation.without_windows.figure.value
    gain = rises if ablation.measure.higher_is_better else -rises
    shown = numbers.change_interval(paired if paired is not None else Estimate(gain))
    if not _clear(paired, gain):
        return f"Window features change the test {metric} by {shown}"
    if gain <= 0:
        return f"Window features cost test {metric}: {shown}"
    amount = shown.removeprefix("+")
    if ablation.measure.higher_is_better:
        return f"Window features add {amount} to the test {metric}"
    return f"Window features take {amount} off the test {metric}"


def _clear(paired: Estimate | None, gain: float) -> bool:
    if paired is None or paired.low is None or paired.high is None:
        return gain != 0
    return paired.low > 0 or paired.high < 0


def _roc_title(evaluation: Evaluation, positives: str) -> str:
    model, naive = evaluation.model.figure, evaluation.naive
    if naive is None:
        return f"{evaluation.model.name} ranks {positives} with AUC {numbers.metric(model.value)}"
    against = f"AUC {numbers.metric(model.value)} against {numbers.metric(naive.figure.value)}"
    low = model.low if model.low is not None else model.value
    high = naive.figure.high if naive.figure.high is not None else naive.figure.value
    if low > high:
        return f"{evaluation.model.name} ranks {positives} better than {naive.name}: {against}"
    return f"{evaluation.model.name} is not clearly better than {naive.name} at ranking {positives}: {against}"
