"""The few marks every picture is made of, so that a dot, a whisker and a note look the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import printable
from headrace.pipeline.report.model import Estimate, Histogram
from headrace.pipeline.report.palette import sentinel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

DASHES = (0, (3, 2))


@dataclass(frozen=True, slots=True)
class Look:
    """How a note looks: a colour's meaning, alignment about its point, size in CSS pixels."""

    colour: str = "ink"
    ha: Literal["left", "center", "right"] = "left"
    va: Literal["top", "center", "bottom"] = "center"
    size: float = 10.5
    bold: bool = False
    turned: float = 0.0


PLAIN = Look()


def note(
    axes: Axes, text: str, at: tuple[float, float], look: Look = PLAIN, *, shift: tuple[float, float] = (0, 0)
) -> None:
    """Write text at a point of the data, moved by `shift` pixels."""
    _write(axes, text, at, look, xytext=shift, textcoords="offset points")


def corner_note(axes: Axes, text: str, at: tuple[float, float], look: Look = PLAIN) -> None:
    """Write text at a point of the frame: (0, 0) is its lower left corner, (1, 1) its upper right."""
    _write(axes, text, at, look, xycoords="axes fraction")


def dot(axes: Axes, at: tuple[float, float], colour: str, *, size: float = 7, fine: bool = True) -> None:
    """Set a dot, or a cross where the thing is not fine: colour alone says nothing."""
    marker = "o" if fine else "X"
    axes.plot(
        [at[0]], [at[1]], marker=marker, markersize=size, color=sentinel(colour), markeredgewidth=0, linestyle="none"
    )


def whisker(axes: Axes, estimate: Estimate, at: float, colour: str, *, width: float = 2, upright: bool = False) -> None:
    """Draw the interval of an estimate through `at` on the other axis; nothing where there is none."""
    if estimate.low is None or estimate.high is None or not numbers.has_interval(estimate):
        return
    along, across = [estimate.low, estimate.high], [at, at]
    style: dict[str, Any] = {"color": sentinel(colour), "linewidth": width, "alpha": 0.55}
    axes.plot(*((across, along) if upright else (along, across)), **style)


def guide(axes: Axes, at: float, *, level: bool = False) -> None:
    """Draw a dashed line across the picture: upright at x, or level at y."""
    draw = axes.axhline if level else axes.axvline
    draw(at, color=sentinel("ink"), linewidth=1.2, linestyle=DASHES)


def diagonal(axes: Axes) -> None:
    """Draw the dotted diagonal of a unit square and make the frame one."""
    axes.plot([0, 1], [0, 1], color=sentinel("soft"), linewidth=1, linestyle=(0, (1, 2)))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.005)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _position: numbers.compact(value))


def ticks(axis: Axis, bins: int, *, whole: bool = False) -> None:
    """Put at most `bins` round ticks on an axis."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=bins, integer=whole))


def is_even(histogram: Histogram) -> bool:
    """Whether all bins are equally wide, to a hundredth."""
    widths = [right - left for left, right in pairwise(histogram.edges)]
    return max(widths) - min(widths) <= 0.01 * max(widths)


def heights(histogram: Histogram) -> list[float]:
    """Share of each bin; where widths differ, share per unit instead, so that the area is what counts."""
    total = max(sum(histogram.counts), 1)
    shares = [count / total for count in histogram.counts]
    if is_even(histogram):
        return shares
    widths = [right - left for left, right in pairwise(histogram.edges)]
    return [share / width if width > 0 else 0.0 for share, width in zip(shares, widths, strict=True)]


def _write(axes: Axes, text: str, at: tuple[float, float], look: Look, **place: Any) -> None:
    axes.annotate(
        printable(text),
        at,
        **place,
        ha=look.ha,
        va=look.va,
        color=sentinel(look.colour),
        fontsize=look.size,
        fontweight="bold" if look.bold else "normal",
        rotation=look.turned,
    )
