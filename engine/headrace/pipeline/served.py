"""Predictions that were served, with what is known of their outcomes, and how good they were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from headrace.evaluation import Figure
from headrace.evaluation.measures import measure
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.task import Question, Task
from headrace.monitoring.performance import area_under_curve

HOUR_US = 3_600_000_000
CONFIDENCE, REPLICATES = 0.95, 400
_Z95 = 1.959963984540054  # normal quantile at 0.975


@dataclass(frozen=True)
class Served:
    """Predictions of one version that belong to spine rows.

    Attributes:
        times: int64[n], microseconds UTC: event time of the row each prediction is about.
        features: float32[n, F] as the server saw them.
        scores: float32[n], of K classes float32[n, K].
        labels: float64[n], 1 or 0 of a binary model; NaN while unknown.
        queries: int64[n], of a ranking.
    """

    times: npt.NDArray[np.int64]
    features: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float64]
    queries: npt.NDArray[np.int64] | None = None

    def between(self, start: datetime, end: datetime) -> Served:
        """Predictions about rows with start <= time < end."""
        kept = (self.times >= _micros(start)) & (self.times < _micros(end))
        queries = self.queries[kept] if self.queries is not None else None
        return Served(self.times[kept], self.features[kept], self.scores[kept], self.labels[kept], queries)


@dataclass(frozen=True)
class Quality:
    """How good a window's predictions were.

    Attributes:
        labelled: predictions whose label is known.
        figure, low, high: of the metric that leads, with its 95 % interval; None where the labels cannot say.
    """

    labelled: int = 0
    figure: float | None = None
    low: float | None = None
    high: float | None = None


def judge_quality(question: Question, served: Served) -> Quality:
    """Judge predictions whose labels arrived.

    Intervals: DeLong's of an AUC, else the bootstrap over hours (over queries where these are longer).
    """
    known = ~np.isnan(served.labels)
    labelled = int(known.sum())
    if not labelled:
        return Quality()
    labels, scores = served.labels[known], served.scores[known].astype(np.float64)
    if question.task is Task.BINARY:
        found = area_under_curve(scores, labels)
        if found is None:
            return Quality(labelled)
        area, half = found[0], _Z95 * found[1]
        return Quality(labelled, area, max(0.0, area - half), min(1.0, area + half))
    queries = served.queries[known] if served.queries is not None else None
    typed = labels if question.task is Task.REGRESSION else labels.astype(np.int64)
    blocks = served.times[known] // HOUR_US
    resamples = Resamples.draw(blocks, replicates=REPLICATES, seed=0)
    judged = measure(question, typed, scores, resamples, queries)
    figure = Figure.of_replicates(judged.values[question.leading], judged.replicates[question.leading], CONFIDENCE)
    low, high = (end if np.isfinite(end) else None for end in (figure.low, figure.high))
    return Quality(labelled, figure.value, low, high)


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)
