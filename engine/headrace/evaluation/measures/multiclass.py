"""Figures of one class out of several: int64[n] labels 0..K-1, float64[n, K] probabilities, no NaN."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headrace.evaluation import metrics
from headrace.evaluation.metrics import LOG_LOSS_CLIP
from headrace.evaluation.resampling import Resamples

Codes = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]


def log_losses(labels: Codes, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Negative log likelihood of each row; divided by their sum, which one-vs-rest lets differ from 1."""
    own = probabilities[np.arange(labels.size), labels] / probabilities.sum(axis=1)
    return np.asarray(-np.log(np.clip(own, LOG_LOSS_CLIP, 1.0)))


def hits(labels: Codes, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """1 where the most probable class (the first of equal ones) is the right one, else 0."""
    return np.asarray(probabilities.argmax(axis=1) == labels, np.float64)


def brier_losses(labels: Codes, probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """Sum over classes of the squared errors of each row. Reference: Brier, Monthly Weather Review 78 (1950)."""
    wanted = np.zeros_like(probabilities)
    wanted[np.arange(labels.size), labels] = 1.0
    return np.asarray(np.square(probabilities - wanted).sum(axis=1))


def macro_auc(labels: Codes, probabilities: Probabilities) -> float:
    """Mean over classes of each class's AUC against the rest; classes that are not there are left out."""
    areas = [metrics.auc(labels == code, probabilities[:, code]) for code in range(probabilities.shape[1])]
    known = [area for area in areas if not np.isnan(area)]
    return float(np.mean(known)) if known else float("nan")


def macro_auc_replicates(labels: Codes, probabilities: Probabilities, resamples: Resamples) -> npt.NDArray[np.float64]:
    """`macro_auc` in each replicate, float64[R], over the classes that the sample has."""
    there = [code for code in range(probabilities.shape[1]) if 0 < int((labels == code).sum()) < labels.size]
    if not there:
        return np.full(resamples.counts.shape[0], np.nan)
    areas = [resamples.auc(labels == code, np.ascontiguousarray(probabilities[:, code])) for code in there]
    return np.asarray(np.mean(areas, axis=0))
