"""The loss of each row: what found slices are searched by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.evaluation import metrics
from headrace.evaluation.measures import multiclass, regression
from headrace.evaluation.task import Question, Task


def row_losses(
    question: Question, labels: npt.NDArray[Any], predictions: npt.NDArray[np.float64]
) -> tuple[str, npt.NDArray[np.float64]]:
    """Name and loss of each row, float64[n]: log loss of classes, pinball of a quantile, absolute error of numbers.

    A ranking has losses by query, not by row, and is refused.
    """
    assert question.task is not Task.RANKING, "a ranking has no loss of a row"
    if question.task is Task.BINARY:
        return "log loss", metrics.log_losses(labels, predictions)
    if question.task is Task.MULTICLASS:
        return "log loss", multiclass.log_losses(labels, predictions)
    if question.quantile is not None:
        return "pinball loss", regression.pinball_losses(labels, predictions, question.quantile)
    return "absolute error", np.abs(predictions - labels)


def surprises(labels: metrics.Labels, scores: metrics.Scores) -> npt.NDArray[np.float64]:
    """Log loss of each row beyond what the model itself expects of it, float64[n].

    Mean 0 where probabilities are right, however hard the rows are; above 0 where the model is surer than it should be.
    """
    chance = np.clip(scores, metrics.LOG_LOSS_CLIP, 1 - metrics.LOG_LOSS_CLIP)
    expected = -(chance * np.log(chance) + (1 - chance) * np.log1p(-chance))
    return metrics.log_losses(labels, scores) - expected
