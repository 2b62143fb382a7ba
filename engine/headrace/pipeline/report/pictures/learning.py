"""What moves the score, and what more data would bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.model import DataStudy, Effect, Effects
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, corner_note, dot, guide, note, whisker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP = 15
CLEAR = 0.3  # of a rank correlation: below it more of a feature neither raises nor lowers the score
_COLOURS = {"raises": "model", "lowers": "naive", "mixed": "soft"}


def effects(found: Effects) -> Markup:
    """Draw the mean size of each feature's contribution, coloured by its direction."""
    shown = found.features[:TOP]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(one.name, 24 if screen.narrow else 48) for one in shown])
        fills = [sentinel(_COLOURS[_way(one)]) for one in shown]
        axes.barh(range(len(shown)), [one.mean_abs for one in shown], 0.68, color=fills)
        for line, (way, colour) in enumerate(_COLOURS.items()):
            words = {"raises": "more of it raises the score", "lowers": "lowers it", "mixed": "both, or neither"}[way]
            look = Look(colour, "right", size=10.5 if screen.narrow else 11.5, bold=True)
            corner_note(axes, words, (0.99, 0.19 - 0.065 * line), look)
        axes.margins(x=0.02)
        axes.set_xlabel("mean size of the contribution to the raw score")

    first = shown[0]
    words = {"raises": "more of it raises the score", "lowers": "more of it lowers the score"}.get(_way(first))
    title = f"{first.name} moves the score most" + (f"; {words}" if words else "")
    text = (
        f"TreeSHAP contributions over {numbers.count(found.rows)} test rows. Colour: rank correlation of a feature and "
    )
    text += "its contribution. headrace models explain tells single rows."
    alt = ", ".join(f"{one.name} {numbers.amount(one.mean_abs)}" for one in shown)
    return picture("p-effects", Caption(title, text, alt), paint, full=True, height=60 + 21 * len(shown))


def data_curve(found: DataStudy) -> Markup:
    """Draw the test figure against the number of training rows."""
    metric = clipped(found.measure.title, 24)

    def paint(figure: Figure, _screen: Screen) -> None:
        axes = figure.add_subplot()
        across, up = [part.rows for part in found.curve], [part.value for part in found.curve]
        axes.plot(across, up, color=sentinel("model"), linewidth=1.4)
        for part in found.curve:
            dot(axes, (part.rows, part.value), "model", size=6)
        axes.margins(x=0.08, y=0.15)
        axes.set_xlabel("training rows")
        axes.set_ylabel(f"test {metric}")
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.compact(value))

    title = _sentence(found.hints[0]) if found.hints else f"{metric} by training rows"
    text = "Each point is a model on whole days drawn at random from the training rows, judged on the same test rows."
    alt = "; ".join(f"{numbers.count(part.rows)} rows: {numbers.amount(part.value)}" for part in found.curve)
    return picture("p-data-curve", Caption(title, text, alt), paint, height=290)


def months(found: DataStudy) -> Markup:
    """Draw how much worse the model is without each month."""
    metric = clipped(found.measure.title, 24)

    def paint(figure: Figure, _screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(part.name, 20) for part in found.months])
        guide(axes, 0)
        for row, part in enumerate(found.months):
            colour = "bad" if (part.shortfall.high or 0.0) < 0 else "model"
            whisker(axes, part.shortfall, row, colour)
            dot(axes, (part.shortfall.value, row), colour, size=6)
            note(axes, numbers.count(part.rows), (part.shortfall.value, row), Look("soft", "center", "bottom", 9))
        axes.margins(x=0.1, y=0.1)
        axes.set_xlabel(f"test {metric} lost without it")

    title = _sentence(found.hints[1]) if len(found.hints) > 1 else "What each month of training rows is worth"
    text = "One model without each month, on the same test rows; paired 95\u00a0% intervals. "
    text += "Small figures: its training rows."
    alt = "; ".join(f"{part.name}: {numbers.change_interval(part.shortfall)}" for part in found.months)
    return picture("p-months", Caption(title, text, alt), paint, height=80 + 24 * len(found.months))


def _way(effect: Effect) -> str:
    direction = effect.direction
    if direction is None or not numbers.finite(direction) or abs(direction) < CLEAR:
        return "mixed"
    return "raises" if direction > 0 else "lowers"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
