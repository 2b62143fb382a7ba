"""Made-up worlds whose truth is known: rows of one day share its weather, and days are drawn anew each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.evaluation import EvaluationSettings, Sample
from headrace.evaluation.calibration import calibrate
from headrace.evaluation.decisions import decide_at
from headrace.evaluation.figures import Figure
from headrace.evaluation.measures import measure
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.task import Question, Task


@dataclass(frozen=True)
class World:
    """How rows come about.

    Attributes:
        days: blocks of a sample.
        rows_a_day: rows of each.
        spread: standard deviation of what a day's rows share, in units of a row's own noise.
    """

    days: int = 60
    rows_a_day: int = 25
    spread: float = 0.5


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-values))


def _days(world: World) -> np.ndarray:
    return np.repeat(np.arange(world.days), world.rows_a_day)


def binary(rng: np.random.Generator, world: World) -> Sample:
    """A model that is too sure of itself, so that no figure is at the edge of what it can be."""
    day = _days(world)
    signal = rng.normal(size=day.size)
    weather = rng.normal(0, world.spread, world.days)[day]
    labels = rng.random(day.size) < _sigmoid(1.2 * signal + weather - 1)
    return Sample(labels, _sigmoid(1.9 * signal - 0.4), day, 0.3)


def calibrated(rng: np.random.Generator, world: World) -> Sample:
    """A model that is nearly right about its chances: its expected calibration error is near 0, where chance rules."""
    day = _days(world)
    signal = rng.normal(size=day.size)
    weather = rng.normal(0, world.spread, world.days)[day]
    labels = rng.random(day.size) < _sigmoid(1.2 * signal + weather - 1)
    return Sample(labels, _sigmoid(1.15 * signal - 0.97), day, 0.3)


def regression(rng: np.random.Generator, world: World) -> Sample:
    """Numbers with a day's shift and a day's noise."""
    day = _days(world)
    signal = rng.normal(size=day.size)
    weather = rng.normal(0, world.spread, world.days)[day]
    labels = 2 * signal + weather + rng.normal(size=day.size) * np.exp(0.3 * weather)
    return Sample(labels, 1.8 * signal, day, 0.0, question=Question(Task.REGRESSION))


def multiclass(rng: np.random.Generator, world: World) -> Sample:
    """Three classes, a day leaning to one of them."""
    day = _days(world)
    signal = rng.normal(size=(day.size, 3))
    chances = np.exp(signal + rng.normal(0, world.spread, (world.days, 3))[day])
    chances /= chances.sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) < rng.random(day.size)[:, None]).sum(axis=1).astype(np.int64)
    scores = np.exp(1.3 * signal)
    scores /= scores.sum(axis=1, keepdims=True)
    return Sample(labels, scores, day, np.full(3, 1 / 3), question=Question(Task.MULTICLASS, classes=("a", "b", "c")))


def ranking(rng: np.random.Generator, world: World) -> Sample:
    """Queries of five rows; on some days grades follow the scores less."""
    day = _days(world)
    scores = rng.normal(size=day.size)
    weather = rng.normal(0, world.spread, world.days)[day]
    noise = rng.normal(size=day.size) * np.exp(0.5 * weather)
    grades = np.clip(np.round(scores + noise), 0, 3).astype(np.int64)
    queries = np.arange(day.size, dtype=np.int64) // 5
    return Sample(grades, scores, day, 0.0, question=Question(Task.RANKING), queries=queries)


WORLDS: dict[str, Callable[[np.random.Generator, World], Sample]] = {
    "binary": binary,
    "calibrated": calibrated,
    "regression": regression,
    "multiclass": multiclass,
    "ranking": ranking,
}


def all_figures(sample: Sample, settings: EvaluationSettings) -> dict[str, Figure]:
    """Every figure with an interval that the task has."""
    drawn = Resamples.draw(sample.blocks, replicates=settings.replicates, seed=settings.seed)
    measured = measure(sample.question, sample.labels, sample.scores, drawn, sample.queries)
    found = {
        name: Figure.of_replicates(value, measured.replicates[name], settings.confidence, blocks=drawn.n_blocks)
        for name, value in measured.values.items()
    }
    if sample.question.task is Task.BINARY:
        curve = calibrate(sample.labels, sample.scores, drawn, n_bins=settings.calibration_bins, confidence=0.95)
        decided = decide_at(sample.labels, sample.scores, 0.5, drawn, settings.confidence)
        found |= {"ece": curve.ece} | {f"{name} at 0.5": figure for name, figure in decided.figures.items()}
    return found


def truth(make: Callable[..., Sample], world: World, samples: int = 20) -> dict[str, float]:
    """What the figures are of ever more days: the mean over large samples."""
    rng = np.random.default_rng(12_345)
    large = World(2_000, world.rows_a_day, world.spread)
    settings = EvaluationSettings(replicates=2)
    found = [{k: f.value for k, f in all_figures(make(rng, large), settings).items()} for _ in range(samples)]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def coverage(kind: str, world: World, *, samples: int, replicates: int = 1_000, seed: int = 0) -> dict[str, Any]:
    """Share of samples whose 95 % interval holds the truth, and on which side it was missed, by figure."""
    make = WORLDS[kind]
    known, rng = truth(make, world), np.random.default_rng(seed)
    below, above = dict.fromkeys(known, 0), dict.fromkeys(known, 0)
    for number in range(samples):
        figures = all_figures(make(rng, world), EvaluationSettings(replicates=replicates, seed=number))
        for name, figure in figures.items():
            below[name] += not figure.low <= known[name]
            above[name] += not figure.high >= known[name]
    return {
        name: {
            "truth": known[name],
            "covered": 1 - (below[name] + above[name]) / samples,
            "interval_above": below[name] / samples,
            "interval_below": above[name] / samples,
        }
        for name in known
    }


def grouped(rng: np.random.Generator, world: World, groups: int) -> tuple[Sample, np.ndarray]:
    """The binary world, each row of a random group; groups do not differ."""
    sample = binary(rng, world)
    return sample, rng.integers(0, groups, sample.labels.size).astype(str)


def two_models(rng: np.random.Generator, world: World, noise: float) -> tuple[Sample, np.ndarray]:
    """A challenger that sees the signal through some noise, and a champion that sees it as it is."""
    day = _days(world)
    signal = rng.normal(size=day.size)
    weather = rng.normal(0, world.spread, world.days)[day]
    labels = rng.random(day.size) < _sigmoid(1.2 * signal + weather - 1)
    blurred = signal + rng.normal(0, noise, day.size) if noise else signal
    return Sample(labels, _sigmoid(blurred), day, 0.3), _sigmoid(signal + rng.normal(0, 0.3, day.size))
