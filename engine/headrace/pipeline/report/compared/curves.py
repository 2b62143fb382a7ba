"""Curves of the runs over each other, one picture a kind of curve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.compared.names import label, spelled
from headrace.pipeline.report.markup import Markup, element
from headrace.pipeline.report.palette import KINDS, sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, picture
from headrace.pipeline.report.pictures.marks import ticks
from headrace.training.runs import Comparison, RunRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PICTURES = 4
_POINTS = 400  # of a curve that is drawn: more are not seen, and make the page heavy
_DRAWN = 60


def curves(found: Comparison) -> Iterator[Markup]:
    """The curves that most runs have, at most four kinds."""
    counted = Counter(name for run in found.runs for name, points in run.curves.items() if len(points) > 1)
    for place, (name, count) in enumerate(sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:_PICTURES]):
        if count:
            yield _overlaid(found, name, place)


def _overlaid(found: Comparison, name: str, place: int) -> Markup:
    runs = [run for run in found.ranked if len(run.curves.get(name, ())) > 1][:_DRAWN]
    colours = _colours(runs)

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        for run in reversed(runs):  # the best is drawn last, over the others
            colour = colours[run.id]
            quiet = colour == "soft"
            xs, ys = zip(*_thinned(run.curves[name]), strict=True)
            axes.plot(xs, ys, color=sentinel(colour), linewidth=1 if quiet else 2, alpha=0.45 if quiet else 1.0)
        axes.margins(x=0.02, y=0.08)
        axes.set_xlabel("step (trees, where the curve is of training)")
        axes.set_ylabel(spelled(name))
        ticks(axes.xaxis, 4 if screen.narrow else 8)

    lengths = [run.curves[name][-1][0] for run in runs]
    title = f"{spelled(name)} ends {_ends(found, name)}"
    text = f"{numbers.plural(len(runs), 'curve')}, the longest {numbers.compact(max(lengths))} steps"
    text += ", the shortest " + numbers.compact(min(lengths)) if min(lengths) != max(lengths) else ""
    left_out = sum(len(run.curves.get(name, ())) > 1 for run in found.runs) - len(runs)
    text += f". {numbers.plural(left_out, 'run')} further down the ranking are not drawn." if left_out > 0 else "."
    alt = "; ".join(f"{label(run)} ends at {numbers.metric(run.curves[name][-1][1], 4)}" for run in runs[:10])
    caption = Caption(title, text, alt, _legend(runs, colours))
    return picture(f"p-curve-{place}", caption, paint, full=True, height=320, narrow=280)


def _ends(found: Comparison, name: str) -> str:
    last = [run.curves[name][-1][1] for run in found.runs if len(run.curves.get(name, ())) > 1]
    if len(last) == 1:
        return f"at {numbers.metric(last[0], 4)}"
    return f"between {numbers.metric(min(last), 4)} and {numbers.metric(max(last), 4)}"


def _colours(runs: list[RunRecord]) -> dict[str, str]:
    """A colour each for a few; of many the best alone has one."""
    if len(runs) <= len(KINDS):
        return {run.id: kind for run, kind in zip(runs, KINDS, strict=False)}
    return {run.id: "model" if place == 0 else "soft" for place, run in enumerate(runs)}


def _legend(runs: list[RunRecord], colours: dict[str, str]) -> Markup:
    if len(runs) <= len(KINDS):
        entries = [(colours[run.id], label(run)) for run in runs]
    else:
        entries = [("model", f"{label(runs[0])}, the best"), ("soft", f"{len(runs) - 1} others")]
    return element(
        "ul", (element("li", element("i", style=f"background: var(--{colour})"), words) for colour, words in entries),
        class_="legend",
    )  # fmt: skip


def _thinned(points: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    """Every n-th point and the last one."""
    step = -(-len(points) // _POINTS)
    kept = list(points[::step])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]
