"""Robustness: how much of a metric is lost when inputs go wrong, each loss paired with the intact rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.hashing import finite_or_none
from headrace.evaluation.figures import Figure
from headrace.evaluation.measures import higher_is_better, measure
from headrace.evaluation.metrics import Scores
from headrace.evaluation.perturbations import Inputs, Perturbation, RobustnessSettings, perturbations
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.slices import Judged

Predict = Callable[[npt.NDArray[np.float32]], Scores]


@dataclass(frozen=True)
class Damage:
    """What one perturbation costs.

    Attributes:
        kind: `nulls`, `outliers`, `dropped`, `noise` or `delay`.
        name: in words.
        feature: the feature it happens to; empty: to many.
        value: the metric on the broken rows.
        drop: how much worse that is than on the intact rows, paired; positive is worse.
    """

    kind: str
    name: str
    feature: str
    value: float
    drop: Figure

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "kind": self.kind,
            "name": self.name,
            "feature": self.feature,
            "value": finite_or_none(self.value),
            "drop": self.drop.to_json(),
        }


@dataclass(frozen=True)
class Robustness:
    """What was tried.

    Attributes:
        metric: what is lost.
        intact: the metric on the intact rows.
        rows: rows judged.
        damages: worst first.
    """

    metric: str
    intact: float
    rows: int
    damages: tuple[Damage, ...]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "metric": self.metric,
            "intact": finite_or_none(self.intact),
            "rows": self.rows,
            "damages": [one.to_json() for one in self.damages],
        }


def examine_robustness(
    predict: Predict,
    inputs: Inputs,
    judged: Judged,
    metric: str,
    settings: RobustnessSettings | None = None,
    *,
    on_each: Callable[[Perturbation], None] = lambda _one: None,
) -> Robustness:
    """Break inputs one way at a time and judge the model on the same rows.

    Args:
        predict: scores of a matrix.
        inputs: the rows' features.
        judged: the rows' labels, scores and blocks; its scores must be those of the intact inputs.
        metric: what is lost; not `ece`.
        settings: what is done.
        on_each: told before each perturbation.
    """
    settings = settings or RobustnessSettings()
    rows = _even(judged.labels.size, settings.rows)
    kept = replace(
        inputs,
        values=inputs.values[rows],
        stale={name: matrix[rows] for name, matrix in inputs.stale.items()},
    )
    resamples = Resamples.draw(judged.blocks[rows], replicates=settings.replicates, seed=settings.seed)
    labels = judged.labels[rows]
    queries = judged.queries[rows] if judged.queries is not None else None
    sign = 1.0 if higher_is_better(metric) else -1.0
    thrifty = metric != "average_precision"

    def of(scores: Scores) -> tuple[float, npt.NDArray[np.float64]]:
        found = measure(judged.question, labels, scores, resamples, queries, thrifty=thrifty)
        return found.values[metric], found.replicates[metric]

    intact, draws = of(judged.scores[rows])
    damages = []
    for one in perturbations(kept, settings):
        on_each(one)
        value, own = of(predict(one.apply()))
        drop = Figure.of_replicates(sign * (intact - value), sign * (draws - own), 0.95, blocks=resamples.n_blocks)
        damages.append(Damage(one.kind, one.name, one.feature, value, drop))
    damages.sort(key=lambda one: (-one.drop.value, one.name))
    return Robustness(metric, intact, int(rows.size), tuple(damages))


def _even(rows: int, most: int) -> npt.NDArray[np.intp]:
    """At most `most` rows, evenly spread: every block keeps its share."""
    if rows <= most:
        return np.arange(rows)
    return np.unique(np.linspace(0, rows - 1, most).astype(np.intp))
