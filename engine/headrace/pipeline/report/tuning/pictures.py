"""Pictures of a tuning: the front, the search trial by trial, the parameters that mattered."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from headrace.pipeline.report import numbers
from headrace.pipeline.report.markup import Markup
from headrace.pipeline.report.palette import sentinel
from headrace.pipeline.report.pictures.canvas import Caption, Screen, clipped, picture, rows_axis
from headrace.pipeline.report.pictures.marks import Look, dot, guide, note, ticks
from headrace.training.importance import METHOD
from headrace.training.tuning import Origin, State, Trial, TuningResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WORST_SHOWN = 0.25
"""Trials below this quantile of the values lie at the lower edge: one hopeless trial would flatten all others."""


def front(result: TuningResult) -> Markup | None:
    """Draw value against latency of every measured trial, the front as a line; None where nothing was measured."""
    measured = [trial for trial in result.trials if trial.is_complete and trial.measured is not None]
    if not measured:
        return None
    on_front = _by_latency(result)
    winner = result.ranked[0] if result.ranked else None

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        _scatter(axes, [trial for trial in measured if trial.is_feasible], "soft", "o")
        _scatter(axes, [trial for trial in measured if not trial.is_feasible], "warn", "x")
        places = [_place(trial) for trial in on_front]
        axes.step(*zip(*places, strict=True), where="post", color=sentinel("model"), linewidth=1.6)
        _named(axes, result.untuned, "untuned", "naive", below=True)
        _named(axes, winner, "winner", "good", below=False)
        if result.targets.latency_p99_us is not None:
            guide(axes, result.targets.latency_p99_us)
        _zoom(axes, measured, result)
        axes.set_xlabel("p99 of one row, microseconds")
        axes.set_ylabel(f"validation {_spelled(result.metric)}")
        ticks(axes.yaxis, 4 if screen.narrow else 7)
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.compact(value))
        axes.xaxis.set_minor_formatter(lambda value, _position: numbers.compact(value))

    caption = Caption(_front_title(result, winner), _front_text(result, measured), _front_alt(on_front))
    return picture("p-front", caption, paint, full=True, height=380)


def history(result: TuningResult) -> Markup | None:
    """Draw the value of each trial in their order, and the best so far; None where none ended."""
    complete = [trial for trial in result.trials if trial.is_complete and trial.value is not None]
    if not complete:
        return None
    pick = max if result.higher_is_better else min
    able = [trial for trial in complete if trial.is_feasible]
    best = list(accumulate((trial.value or 0.0 for trial in able), pick))

    def paint(figure: Figure, _screen: Screen) -> None:
        axes = figure.add_subplot()
        for trials, colour, marker in ((able, "soft", "o"), (_missed(complete), "warn", "x")):
            axes.plot(
                [trial.number for trial in trials], [trial.value or 0.0 for trial in trials], marker,
                color=sentinel(colour), markersize=4,
            )  # fmt: skip
        axes.step([trial.number for trial in able], best, where="post", color=sentinel("model"), linewidth=1.8)
        if result.untuned is not None and result.untuned.value is not None:
            guide(axes, result.untuned.value, level=True)
            note(axes, "untuned", (complete[-1].number, result.untuned.value), Look("naive", "right"), shift=(0, -8))
        _zoom(axes, complete, result)
        axes.set_xlabel("trial")
        axes.set_ylabel(f"validation {_spelled(result.metric)}")
        ticks(axes.xaxis, 6, whole=True)

    last = next((trial.number for trial, value in zip(able, best, strict=True) if value == best[-1]), 0)
    title = f"The best value came with trial {last} of {len(result.trials)}" if able else "No trial met the target"
    pruned = numbers.plural(result.count(State.PRUNED), "trial")
    text = f"Validation {_spelled(result.metric)} of trials that were trained to their end; the line is the best so far"
    text += (
        f" that keeps to the targets. {pruned} ended early and {'has' if pruned.startswith('1 ') else 'have'} no value."
    )
    alt = f"From {numbers.metric(best[0], 4)} to {numbers.metric(best[-1], 4)}" if able else "no line"
    return picture("p-history", Caption(title, text, alt), paint, height=300)


def importance(result: TuningResult) -> Markup | None:
    """Draw the share of each parameter in what sets good trials apart; None of few trials."""
    if not result.importance:
        return None
    shares = sorted(result.importance.items(), key=lambda item: (-item[1], item[0]))

    def paint(figure: Figure, screen: Screen) -> None:
        axes = figure.add_subplot()
        rows_axis(axes, [clipped(name, 20 if screen.narrow else 32) for name, _ in shares])
        axes.barh(range(len(shares)), [share for _, share in shares], 0.68, color=sentinel("model"))
        for row, (_, share) in enumerate(shares):
            note(axes, numbers.percent(share), (share, row), Look(size=10), shift=(4, 0))
        axes.set_xlim(0, shares[0][1] * 1.3)
        axes.xaxis.set_major_formatter(lambda value, _position: numbers.percent(value))
        ticks(axes.xaxis, 4)

    title = f"{shares[0][0]} mattered most, {numbers.percent(shares[0][1], 0)}"
    text = f"Share of the variance over the searched space that each parameter explains alone: {METHOD}. "
    text += "A low share: good trials came with any value."
    alt = ", ".join(f"{name} {numbers.percent(share)}" for name, share in shares[:6])
    return picture("p-parameters", Caption(title, text, alt), paint, height=max(300, 60 + 21 * len(shares)))


def _by_latency(result: TuningResult) -> list[Trial]:
    """The front as the picture has it: fastest first, each one better than those before."""
    sign = 1.0 if result.higher_is_better else -1.0
    kept: list[Trial] = []
    for trial in sorted((one for one in result.front if one.measured), key=_place):
        if not kept or sign * (trial.value or 0.0) > sign * (kept[-1].value or 0.0):
            kept.append(trial)
    return kept


def _place(trial: Trial) -> tuple[float, float]:
    return (trial.measured.latency_p99_us if trial.measured else 0.0), trial.value or 0.0


def _scatter(axes: Axes, trials: Sequence[Trial], colour: str, marker: str) -> None:
    if trials:
        across, along = zip(*(_place(trial) for trial in trials), strict=True)
        axes.plot(across, along, marker, color=sentinel(colour), markersize=4.5, alpha=0.8)


def _named(axes: Axes, trial: Trial | None, word: str, colour: str, *, below: bool) -> None:
    if trial is None or trial.measured is None:
        return
    dot(axes, _place(trial), colour, size=9)
    shift = (9, -10) if below else (-9, 10)
    note(axes, word, _place(trial), Look(colour, "left" if below else "right", bold=True), shift=shift)


def _zoom(axes: Axes, trials: Sequence[Trial], result: TuningResult) -> None:
    """Leave the worst quarter of the values out of the frame, unless it is not far."""
    sign = 1.0 if result.higher_is_better else -1.0
    values = sorted(sign * (trial.value or 0.0) for trial in trials)
    low = values[int(len(values) * _WORST_SHOWN)]
    if result.untuned is not None and result.untuned.value is not None:
        low = min(low, sign * result.untuned.value)
    low, high = max(values[0], low - (values[-1] - low)), values[-1]
    room = 0.12 * (high - low) or 0.01
    ends = sorted((sign * (low - room), sign * (high + room)))
    axes.set_ylim(ends[0], ends[1])


def _missed(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if not trial.is_feasible]


def _front_title(result: TuningResult, winner: Trial | None) -> str:
    if winner is None or winner.measured is None:
        return "No trial keeps to the target"
    words = f"{numbers.metric(winner.value, 4)} at {numbers.compact(winner.measured.latency_p99_us)} \u00b5s"
    if winner.origin is Origin.UNTUNED:
        return f"The untuned model stays: {words}"
    return f"The winner has {_spelled(result.metric)} {words}"


def _front_text(result: TuningResult, measured: Sequence[Trial]) -> str:
    text = f"{numbers.plural(len(measured), 'compiled model')}, measured one row at a time in the serving runtime. "
    text += "The line joins those that no other beats in both. "
    missed = len(_missed(measured))
    if result.targets.any:
        text += f"Crosses: {missed} over the target ({result.targets}). "
    return text + "The worst quarter of the values may lie below the frame."


def _front_alt(on_front: Sequence[Trial]) -> str:
    points = (f"{numbers.metric(one.value, 4)} at {numbers.compact(_place(one)[0])} microseconds" for one in on_front)
    return ", ".join(points)


def _spelled(metric: str) -> str:
    return metric.upper() if metric in {"auc", "ece"} else metric.replace("_", " ")
