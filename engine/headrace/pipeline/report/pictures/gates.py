"""Gates against what they allow, and the model on every slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import Evaluation, GateResult, SliceQuality
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import dot, guide, ticks, whisker

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SLICES_SHOWN = 24


def gates(results: tuple[GateResult, ...]) -> Markup:
    """Draw one small scale a gate: the allowed side, the figure, its interval."""

    def paint(figure: Figure, screen: Screen) -> None:
        rows = figure.subplots(len(results), 1, squeeze=False)
        for (axes,), gate in zip(rows, results, strict=True):
            _scale(axes, gate, narrow=screen.narrow)

    failed = [gate.name for gate in results if not gate.passed]
    title = f"All {numbers.plural(len(results), 'gate')} passed"
    if failed:
        title = f"{len(failed)} of {numbers.plural(len(results), 'gate')} failed: {', '.join(failed)}"
    elif len(results) == 1:
        title = f"The gate passed: {results[0].name}"
    text = "Each gate on its own scale. Shaded: allowed. Dot: the figure; line: its 95\u00a0% interval."
    alt = "; ".join(f"{gate.name} {'passed' if gate.passed else 'failed'}: {_judged(gate)}" for gate in results)
    height = 66 * len(results) + 8
    return picture("p-gates", Caption(title, text, alt), paint, height=height)


def slices(evaluation: Evaluation) -> Markup:
    """Draw the model's figure on each slice with its interval, weakest first."""
    judged = [part for part in evaluation.slices if numbers.finite(part.figure.value)]
    measure = evaluation.measure
    sign = 1 if measure.higher_is_better else -1
    ranked = sorted(judged, key=lambda part: (sign * part.figure.value, part.column, part.value))
    shown = _ends(ranked)
    overall = evaluation.model.figure

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        limit = 20 if screen.narrow else 40
        rows_axis(axes, [clipped(_slice_name(part), limit) for part in shown])
        guide(axes, overall.value)
        for row, part in enumerate(shown):
            whisker(axes, part.figure, row, "model")
            dot(axes, (part.figure.value, row), "model", size=6)
        axes.margins(x=0.05)
        axes.set_xlabel(f"test {clipped(measure.title, 24)}")

    gap = abs(ranked[-1].figure.value - ranked[0].figure.value)
    title = f"Weakest slice: {_slice_name(ranked[0])} with {measure.title} {numbers.amount(ranked[0].figure.value)}"
    if len(ranked) > 1:
        side = "below" if measure.higher_is_better else "above"
        title += f", {numbers.amount(gap)} {side} the strongest, {_slice_name(ranked[-1])}"
    left_out = len(ranked) - len(shown)
    text = f"{numbers.plural(len(shown), 'slice')} of the test rows with 95\u00a0% intervals. "
    text += f"Dashed: all rows, {numbers.amount(overall.value)}."
    if left_out:
        text += f" {left_out} in between are in the table."
    alt = "; ".join(f"{_slice_name(part)} {numbers.quantity(part.figure)}" for part in shown)
    return picture("p-slices", Caption(title, text, alt), paint, full=True, height=64 + 20 * len(shown))


def _scale(axes: Axes, gate: GateResult, *, narrow: bool) -> None:
    values = [gate.figure.value, gate.figure.low, gate.figure.high, gate.limit]
    known = [value for value in values if value is not None and numbers.finite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = (high - low) * 0.35 or abs(high) * 0.1 or 0.1
    low, high = low - room, high + room
    axes.set_xlim(low, high)
    axes.set_ylim(-1, 1)
    if gate.limit is not None and numbers.finite(gate.limit):
        allowed = (gate.limit, high) if gate.direction == "at_least" else (low, gate.limit)
        axes.axvspan(*allowed, color=sentinel("good"), alpha=0.14)
        axes.axvline(gate.limit, color=sentinel("good"), linewidth=2)
    colour = "model" if gate.passed else "bad"
    whisker(axes, gate.figure, 0, colour, width=3)
    if numbers.finite(gate.figure.value):
        dot(axes, (gate.figure.value, 0), colour, size=8, fine=gate.passed)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines.bottom.set_visible(False)
    ticks(axes.xaxis, 4)
    axes.tick_params(labelsize=9.5)
    axes.xaxis.set_major_formatter(lambda value, _position: numbers.compact(value))
    name = ("\u2713 " if gate.passed else "\u2717 ") + clipped(gate.name, 18 if narrow else 26)
    axes.set_title(name, loc="left", fontsize=11, fontweight="bold", color=sentinel(colour))
    words = clipped(_judged(gate), 38 if narrow else 44)
    axes.set_title(words, loc="right", fontsize=9.5 if narrow else 10, color=sentinel("soft"))


def _judged(gate: GateResult) -> str:
    figure = numbers.quantity(gate.figure)
    return figure if gate.allowed in gate.name else f"{figure}, {gate.allowed}"


def _slice_name(part: SliceQuality) -> str:
    return f"{part.column} {part.value}"


def _ends(ranked: list[SliceQuality]) -> list[SliceQuality]:
    if len(ranked) <= SLICES_SHOWN:
        return ranked
    half = SLICES_SHOWN // 2
    return ranked[:half] + ranked[-half:]
