"""Which run came out best: the metric of each run with its interval, best first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.compared.names import estimate, label, spelled
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, dot, note, ticks, whisker
from headrace.training.runs import Comparison, RunRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP = 20


def pictures(found: Comparison) -> Iterator[Markup]:
    """The runs in order, and how the search went over time where there are many."""
    ranked = [run for run in found.ranked if found.value(run) is not None]
    if len(ranked) > 1 and found.metric:
        yield _ranking(found, ranked)
    if len(ranked) > TOP / 2 and found.higher_is_better is not None:
        yield _progress(found)


def overlap(found: Comparison, best: RunRecord, second: RunRecord) -> str:
    """What the two intervals say of the difference."""
    left, right = (estimate(run.metrics[found.metric]) for run in (best, second))
    if not (numbers.has_interval(left) and numbers.has_interval(right)):
        return ""
    assert left.low is not None
    assert left.high is not None
    assert right.low is not None
    assert right.high is not None
    if left.low <= right.high and right.low <= left.high:
        return ", within their intervals"
    return ", outside of their intervals"


def _ranking(found: Comparison, ranked: list[RunRecord]) -> Markup:
    top = ranked[:TOP]
    values = [found.value(run) or 0.0 for run in top]
    ends = [estimate(run.metrics[found.metric]) for run in top]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(label(run), 14 if screen.narrow else 28) for run in top])
        edge = max([*values, *(end.high for end in ends if end.high is not None)])
        for row, (value, end) in enumerate(zip(values, ends, strict=True)):
            colour = "model" if row == 0 and found.higher_is_better is not None else "naive"
            whisker(axes, end, row, colour, width=4)
            dot(axes, (value, row), colour)
            note(axes, numbers.metric(value, 4), (edge, row), Look(size=10), shift=(8, 0))
        axes.margins(x=0.03)
        left, right = axes.get_xlim()
        axes.set_xlim(left, right + (right - left) * (0.24 if screen.narrow else 0.1))
        axes.set_xlabel(spelled(found.metric))
        ticks(axes.xaxis, 3 if screen.narrow else 7)

    metric = spelled(found.metric)
    last = ranked[-1]
    spread = abs(values[0] - (found.value(last) or 0.0))
    title = f"{metric} spans {numbers.metric(spread, 4)} from {label(top[0])} to {label(last)}"
    text = f"{metric} of each run" + (", best first" if found.higher_is_better is not None else "")
    text += f"; the first {TOP} of {len(ranked)}" if len(ranked) > TOP else ""
    text += ". Bars: 95 % intervals, where the run has one." if any(map(numbers.has_interval, ends)) else "."
    alt = "; ".join(f"{label(run)} {numbers.interval(end, 4)}" for run, end in zip(top, ends, strict=True))
    return picture("p-ranking", Caption(title, text, alt), paint, full=len(top) > 8, height=70 + 22 * len(top))


def _progress(found: Comparison) -> Markup:
    """Runs in the order they began, and the best so far."""
    ordered = sorted(found.runs, key=lambda run: (run.started_at, run.id))
    points = [(place, value) for place, run in enumerate(ordered, 1) if (value := found.value(run)) is not None]
    best: list[float] = []
    choose = max if found.higher_is_better else min
    for _, value in points:
        best.append(choose(best[-1], value) if best else value)
    last = next(place for (place, _), value in zip(points, best, strict=True) if value == best[-1])

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        places = [place for place, _ in points]
        axes.plot(places, [value for _, value in points], "o", markersize=4.5, color=sentinel("naive"), alpha=0.7)
        axes.step(places, best, where="post", color=sentinel("model"), linewidth=2)
        words = "best so far"
        note(axes, words, (places[-1], best[-1]), Look("model", "right", "bottom"), shift=(0, 4))
        axes.margins(x=0.03, y=0.12)
        axes.set_xlabel("run, in the order they began")
        axes.set_ylabel(spelled(found.metric))
        ticks(axes.xaxis, 5 if screen.narrow else 10, whole=True)

    title = f"The best {spelled(found.metric)} came with run {last} of {len(ordered)}"
    text = "Each dot is a run; the line is the best so far."
    alt = f"From {numbers.metric(best[0], 4)} after the first run to {numbers.metric(best[-1], 4)}"
    return picture("p-progress", Caption(title, text, alt), paint, full=True, height=270)
