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
