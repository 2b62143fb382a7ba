"""Whether a score means what it says: reliability with intervals, and where the scores lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import CalibrationBin, Evaluation, Histogram, ScorerQuality
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture
from headrace.pipeline.report.pictures.marks import Look, corner_note, diagonal, guide, heights, is_even, ticks, whisker

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def reliability(evaluation: Evaluation) -> Markup:
    """Draw observed frequency over promised score, model and naive baseline."""
    scorers = [("model", "o", evaluation.model)]
    if evaluation.naive is not None and evaluation.naive.calibration:
        scorers.append(("naive", "s", evaluation.naive))

    def paint(figure: Figure, _screen: Screen) -> None:
        axes = figure.add_subplot()
        diagonal(axes)
        for colour, marker, scorer in reversed(scorers):
            _bins(axes, scorer, colour, marker)
        for line, (colour, _, scorer) in enumerate(scorers):
            ece = f"\nECE {numbers.interval(scorer.other('ece'))}" if scorer.other("ece") is not None else ""
            look = Look(colour, "left", "top", bold=line == 0)
            corner_note(axes, f"{clipped(scorer.name, 26)}{ece}", (0.02, 0.985 - 0.15 * line), look)
        axes.set_xlabel("mean score of the bin")
        axes.set_ylabel("share that came true")

    text = "Reliability on the test rows. Whiskers: 95\u00a0% intervals. On the dotted line a score is a probability."
    if any(scorer.other("ece") is not None for _, _, scorer in scorers):
        text += " ECE: expected calibration error, in probability."
    caption = Caption(_reliability_title(evaluation.model), text, _reliability_alt(evaluation.model))
    return picture("p-calibration", caption, paint, height=430, narrow=340)


def scores(evaluation: Evaluation) -> Markup:
    """Draw where the scores of the model and the naive baseline lie."""
    shown = [("model", evaluation.model.name, evaluation.model.scores)]
    if evaluation.naive is not None and evaluation.naive.scores is not None:
        shown.append(("naive", evaluation.naive.name, evaluation.naive.scores))

    even = all(is_even(histogram) for _, _, histogram in shown if histogram is not None)

    def paint(figure: Figure, _screen: Screen) -> None:
        axes = figure.add_subplot()
        for line, (colour, name, histogram) in enumerate(shown):
            assert histogram is not None, "only scorers with a histogram are shown"
            tall, filled = heights(histogram), line == 0
            style: dict[str, Any] = {"alpha": 0.85} if filled else {"linewidth": 1.6}
            axes.stairs(tall, histogram.edges, fill=filled, color=sentinel(colour), **style)
            corner_note(axes, clipped(name, 30), (0.985, 0.97 - 0.1 * line), Look(colour, "right", "top", bold=filled))
        if evaluation.positives is not None:
            guide(axes, evaluation.positives / max(evaluation.rows, 1))
        if even:
            axes.yaxis.set_major_formatter(lambda value, _position: numbers.percent(value))
        ticks(axes.yaxis, 5)
        axes.margins(x=0)
        axes.set_xlabel("score")
        axes.set_ylabel("share of test rows" if even else "density of test rows")

    histogram = evaluation.model.scores
    assert histogram is not None, "the caller has looked"
    low, high = _quantile(histogram, 0.1), _quantile(histogram, 0.9)
    title = f"Eight of ten scores lie between {numbers.metric(low, 2)} and {numbers.metric(high, 2)}"
    text = f"Scores of {numbers.count(evaluation.rows)} test rows. Dashed: the share of positives among them."
    alt = f"Histogram of scores; a tenth below {numbers.metric(low, 2)}, a tenth above {numbers.metric(high, 2)}"
    return picture("p-scores", Caption(title, text, alt), paint, height=290)


def _bins(axes: Axes, scorer: ScorerQuality, colour: str, marker: str) -> None:
    shown = _usable(scorer.calibration)
    across, up = [bin_.mean_score for bin_ in shown], [bin_.observed.value for bin_ in shown]
    axes.plot(across, up, color=sentinel(colour), marker=marker, markersize=5, linewidth=1.4, markeredgewidth=0)
    for bin_ in shown:
        whisker(axes, bin_.observed, bin_.mean_score, colour, width=1.4, upright=True)


def _usable(bins: tuple[CalibrationBin, ...]) -> list[CalibrationBin]:
    filled = [bin_ for bin_ in bins if bin_.rows > 0]
    return [bin_ for bin_ in filled if numbers.finite(bin_.mean_score) and numbers.finite(bin_.observed.value)]


def _reliability_title(scorer: ScorerQuality) -> str:
    shown, ece = _usable(scorer.calibration), scorer.other("ece")
    rows = sum(bin_.rows for bin_ in shown)
    bias = sum((bin_.mean_score - bin_.observed.value) * bin_.rows for bin_ in shown) / max(rows, 1)
    distance = sum(abs(bin_.mean_score - bin_.observed.value) * bin_.rows for bin_ in shown) / max(rows, 1)
    if ece is not None and numbers.finite(ece.value):
        distance = ece.value
    points = f"{distance * 100:.1f} percentage points"
    if distance < 0.02:
        return f"A score can be read as a probability: it is off by {points} on average"
    if abs(bias) < distance / 2:
        return f"Scores miss the observed share by {points} on average, in both directions"
    return f"Scores are too {'high' if bias > 0 else 'low'}, by {points} on average"


def _reliability_alt(scorer: ScorerQuality) -> str:
    pairs = [
        f"{numbers.metric(bin_.mean_score, 2)} to {numbers.metric(bin_.observed.value, 2)}"
        for bin_ in _usable(scorer.calibration)
    ]
    return "Mean score to observed share, bin by bin: " + ", ".join(pairs)


def _shares(histogram: Histogram) -> list[float]:
    total = max(sum(histogram.counts), 1)
    return [count / total for count in histogram.counts]


def _quantile(histogram: Histogram, share: float) -> float:
    reached = 0.0
    for position, part in enumerate(_shares(histogram)):
        if part > 0 and reached + part >= share:
            left, right = histogram.edges[position], histogram.edges[position + 1]
            return left + (right - left) * (share - reached) / part
        reached += part
    return histogram.edges[-1]
