"""The searched space: which parameters decided, and where in it the good runs lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from headrace.pipeline.report import numbers
from headrace.pipeline.report.compared.names import label, shown, spelled
from headrace.pipeline.report.compared.scales import Scale
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, note, ticks
from headrace.training.importance import METHOD, MIN_RUNS, parameter_importance
from headrace.training.runs import Comparison, RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AXES, _NARROW_AXES = 8, 4
_BARS = 15
_FEWEST = 3  # runs that a drawing of the space is for
_BETWEEN: tuple[Literal["top", "center", "bottom"], int] = ("center", 0)
_BESIDE: dict[float, tuple[Literal["top", "center", "bottom"], int]] = {0.0: ("top", -3), 1.0: ("bottom", 3)}


def importance_of(found: Comparison) -> dict[str, float] | None:
    """Shares by parameter; None where too few runs, or nothing, can tell."""
    judged = [(run, value) for run in found.runs if (value := found.value(run)) is not None]
    differing = {one.name for one in found.parameters}
    parameters = [{name: run.parameters[name] for name in run.parameters.keys() & differing} for run, _ in judged]
    return parameter_importance(parameters, [value for _, value in judged])


def pictures(found: Comparison, importance: dict[str, float] | None) -> Iterator[Markup]:
    """Importance, then parallel coordinates."""
    if importance:
        yield _bars(found, importance)
    judged = [run for run in found.ranked if found.value(run) is not None]
    names = _ordered(found, importance)
    if len(judged) >= _FEWEST and names:
        yield _parallel(found, judged, names)


def _ordered(found: Comparison, importance: dict[str, float] | None) -> list[str]:
    names = [one.name for one in found.parameters]
    return sorted(names, key=lambda name: (-(importance or {}).get(name, 0.0), name))


def _bars(found: Comparison, importance: dict[str, float]) -> Markup:
    top = list(importance.items())[:_BARS]

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(name, 20 if screen.narrow else 40) for name, _ in top])
        axes.barh(range(len(top)), [share for _, share in top], 0.62, color=sentinel("model"))
        for row, (_, share) in enumerate(top):
            note(axes, numbers.percent(share), (share, row), Look(size=10), shift=(4, 0))
        axes.set_xlim(0, max(share for _, share in top) * (1.3 if screen.narrow else 1.12))
        axes.set_xlabel("share of the importance")
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.percent(value, 0))
        ticks(axes.xaxis, 4)

    name, share = top[0]
    title = f"{name} decides most: {numbers.percent(share, 0)} of what parameters alone do to {spelled(found.metric)}"
    judged = sum(found.value(run) is not None for run in found.runs)
    text = (
        f"{METHOD} over {numbers.plural(judged, 'run')}: the variance of the metric over the searched space that each "
    )
    text += "parameter explains alone, as shares of their sum. "
    text += f"Below {MIN_RUNS} runs it is not drawn; a few dozen are a hint."
    alt = ", ".join(f"{name} {numbers.percent(share)}" for name, share in top)
    return picture("p-importance", Caption(title, text, alt), paint, full=True, height=70 + 24 * len(top))


def _parallel(found: Comparison, judged: list[RunRecord], names: list[str]) -> Markup:
    best = max(1, len(judged) // 5) if found.higher_is_better is not None else 0

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        kept = names[: _NARROW_AXES if screen.narrow else _AXES]
        scales = [Scale.of(name, [run.parameters.get(name) for run in judged]) for name in kept]
        scales.append(Scale.of(spelled(found.metric), [found.value(run) for run in judged]))
        for place, run in reversed(list(enumerate(judged))):
            row = [run.parameters.get(name) for name in kept] + [found.value(run)]
            heights = [scale.height(value) for scale, value in zip(scales, row, strict=True)]
            good = place < best
            axes.plot(
                range(len(scales)), heights, color=sentinel("model" if good else "naive"),
                linewidth=1.8 if good else 0.9, alpha=0.95 if good else 0.4,
            )  # fmt: skip
        _draw_scales(axes, scales, screen)

    shared = _agreed(judged[:best], names)
    title = f"The best {numbers.plural(best, 'run')}: {shared}" if best else "Where the runs lie in the searched space"
    text = f"Each line is a run, from its parameters to {spelled(found.metric)} at the right. "
    text += f"Blue: the best fifth, {label(judged[0])} first among them. " if best else ""
    text += f"The {min(len(names), _AXES)} of {len(names)} parameters that decide most. " if len(names) > _AXES else ""
    text += f"On a phone the first {_NARROW_AXES}." if len(names) > _NARROW_AXES else ""
    alt = "; ".join(f"{name} {shown(judged[0].parameters.get(name))}" for name in names[:_AXES])
    caption = Caption(title, text.strip(), f"Of the best run: {alt}")
    return picture("p-parallel", caption, paint, full=True, height=380, narrow=360)


def _agreed(best: list[RunRecord], names: list[str]) -> str:
    """What the best runs have in common, in their first parameters."""
    told = []
    for name in names[:2]:
        scale = Scale.of(name, [run.parameters.get(name) for run in best])
        told.append(f"{name} {scale.span()}")
    return ", ".join(told)


def _draw_scales(axes: Axes, scales: list[Scale], screen: Screen) -> None:
    size = 9 if screen.narrow else 10
    for place, scale in enumerate(scales):
        axes.axvline(place, color=sentinel("soft"), linewidth=1)
        for height, words in scale.marks(4 if screen.narrow else 6):
            # Beside the ends of the lines, not on them.
            va, away = _BESIDE.get(height, _BETWEEN)
            look = Look("soft", va=va, size=size)
            note(axes, clipped(words, 9 if screen.narrow else 16), (place, height), look, shift=(4, away))
    axes.set_xlim(-0.05, len(scales) - 1 + (0.45 if screen.narrow else 0.3))
    axes.set_ylim(-0.11, 1.08)
    labels = [clipped(scale.name, 11 if screen.narrow else 20) for scale in scales]
    axes.set_xticks(
        range(len(scales)), labels, rotation=35 if screen.narrow else 0, ha="right" if screen.narrow else "center"
    )
    axes.tick_params(axis="x", labelcolor=sentinel("ink"))
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines.bottom.set_visible(False)
