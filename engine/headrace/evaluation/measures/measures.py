"""One door to the figures of every task: values on the sample, and the same measures in each bootstrap replicate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.evaluation import metrics
from headrace.evaluation.measures import multiclass, ranking, regression
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.task import Question, Task

Replicates = dict[str, npt.NDArray[np.float64]]

# Whether more is better; every metric that gates and comparisons may name. `@k` stands for a number.
HIGHER_IS_BETTER = {
    **metrics.HIGHER_IS_BETTER,
    "accuracy": True, "macro_auc": True,
    "rmse": False, "mae": False, "r2": True, "pinball": False, "poisson_deviance": False,
    "ndcg@k": True, "map@k": True,
}  # fmt: skip


def higher_is_better(metric: str) -> bool | None:
    """Whether more of a metric is better; None where neither is (`bias`, `coverage`), or it is not known."""
    base, _, at = metric.partition("@")
    return HIGHER_IS_BETTER.get(f"{base}@k" if at.isdigit() else metric)


def metrics_of(question: Question) -> tuple[str, ...]:
    """Metrics that gates may name for a question: those of its task whose better direction is known."""
    if question.task is Task.RANKING:
        return f"ndcg@{question.at}", f"map@{question.at}"
    if question.task is Task.REGRESSION:
        more = [*(["pinball"] if question.quantile is not None else []), *(["poisson_deviance"] * question.counts)]
        return "rmse", "mae", "r2", *more
    if question.task is Task.MULTICLASS:
        return "macro_auc", "log_loss", "accuracy", "brier"
    return tuple(metrics.HIGHER_IS_BETTER)


@dataclass(frozen=True)
class Measured:
    """Measures of one set of predictions.

    Attributes:
        values: metric -> on the sample itself.
        replicates: metric -> float64[R].
    """

    values: dict[str, float]
    replicates: Replicates


def measure(
    question: Question,
    labels: npt.NDArray[Any],
    predictions: npt.NDArray[np.float64],
    resamples: Resamples,
    queries: npt.NDArray[np.int64] | None = None,
    *,
    thrifty: bool = False,
) -> Measured:
    """Measure predictions.

    Args:
        question: what they answer.
        labels: bool[n], int64[n] or float64[n], by the task; no nulls.
        predictions: float64[n], of K classes float64[n, K].
        resamples: the draws of replicates.
        queries: int64[n], of a ranking.
        thrifty: leave out what is slow for many small groups: the average precision.
    """
    if question.task is Task.BINARY:
        return _binary(labels, predictions, resamples, thrifty=thrifty)
    if question.task is Task.MULTICLASS:
        return _multiclass(labels, predictions, resamples)
    if question.task is Task.RANKING:
        assert queries is not None, "a ranking has queries"
        return _ranking(question, labels, predictions, resamples, queries)
    return _regression(question, labels, predictions, resamples)


def value_of(
    question: Question,
    metric: str,
    labels: npt.NDArray[Any],
    predictions: npt.NDArray[np.float64],
    queries: npt.NDArray[np.int64] | None = None,
) -> float:
    """One metric on a sample, without an interval. Arguments as in `measure`; NaN where the sample cannot say."""
    if not labels.size:
        return float("nan")
    once = Resamples.draw(np.zeros(labels.size, np.int64), replicates=1, seed=0)
    return measure(question, labels, predictions, once, queries, thrifty=metric != "average_precision").values[metric]


def _binary(labels: metrics.Labels, scores: metrics.Scores, resamples: Resamples, *, thrifty: bool) -> Measured:
    values, replicates = {"auc": metrics.auc(labels, scores)}, {"auc": resamples.auc(labels, scores)}
    if not thrifty:
        values["average_precision"] = metrics.average_precision(labels, scores)
        replicates["average_precision"] = resamples.average_precision(labels, scores)
    losses = {"log_loss": metrics.log_losses(labels, scores), "brier": metrics.brier_losses(labels, scores)}
    return Measured(
        {**values, **_means(losses)}, {**replicates, **{name: resamples.means(of) for name, of in losses.items()}}
    )


def _multiclass(labels: multiclass.Codes, probabilities: multiclass.Probabilities, resamples: Resamples) -> Measured:
    losses = {
        "log_loss": multiclass.log_losses(labels, probabilities),
        "accuracy": multiclass.hits(labels, probabilities),
        "brier": multiclass.brier_losses(labels, probabilities),
    }
    return Measured(
        {"macro_auc": multiclass.macro_auc(labels, probabilities), **_means(losses)},
        {
            "macro_auc": multiclass.macro_auc_replicates(labels, probabilities, resamples),
            **{name: resamples.means(values) for name, values in losses.items()},
        },
    )


def _regression(
    question: Question, labels: regression.Numbers, predictions: regression.Numbers, resamples: Resamples
) -> Measured:
    losses = {}
    if question.quantile is not None:
        losses["pinball"] = regression.pinball_losses(labels, predictions, question.quantile)
        losses["coverage"] = (labels <= predictions).astype(np.float64)
    if question.counts:
        losses["poisson_deviance"] = regression.poisson_deviances(labels, predictions)
    values = {
        "rmse": regression.rmse(labels, predictions),
        "mae": regression.mae(labels, predictions),
        "r2": regression.r2(labels, predictions),
        "bias": float((predictions - labels).mean()),
    }
    more = {name: resamples.means(of_row) for name, of_row in losses.items()}
    return Measured({**_means(losses), **values}, {**more, **regression.replicates(labels, predictions, resamples)})


def _ranking(
    question: Question,
    grades: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
    resamples: Resamples,
    queries: npt.NDArray[np.int64],
) -> Measured:
    rows, ndcg, average = ranking.per_query(grades, scores, queries, at=question.at)
    drawn = resamples.subset(rows)
    names = {f"ndcg@{question.at}": ndcg, f"map@{question.at}": average}
    return Measured(_means(names), {name: drawn.means(values) for name, values in names.items()})


def _means(losses: dict[str, npt.NDArray[np.float64]]) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in losses.items()}
