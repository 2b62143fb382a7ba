"""Figures of a binary score on a whole sample, in NumPy alone: monitoring and evaluation compute the same numbers.

Every function takes `labels: bool[n]` and `scores: float64[n]` (probabilities where a loss is computed), no nulls and
no NaN, and gives NaN where the sample cannot say: it is empty, or has one class where two are needed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]

# Scores are clipped this far from 0 and 1 before a logarithm: float32 scores reach 1 exactly.
LOG_LOSS_CLIP = 1e-7

# Whether more is better; every metric that gates and comparisons may name.
HIGHER_IS_BETTER = {"auc": True, "average_precision": True, "log_loss": False, "brier": False, "ece": False}


def auc(labels: Labels, scores: Scores) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties half. O(n log n).

    Reference: Hanley and McNeil, Radiology 143 (1982): the Mann-Whitney form.
    """
    positives = np.sort(scores[labels])
    negatives = np.sort(scores[~labels])
    if not positives.size or not negatives.size:
        return float("nan")
    twice = np.searchsorted(negatives, positives, "left").sum() + np.searchsorted(negatives, positives, "right").sum()
    return float(twice / (2 * positives.size * negatives.size))


def average_precision(labels: Labels, scores: Scores) -> float:
    """Mean of precision over recall steps, equal scores taken as one step. O(n log n)."""
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), labels.size - 1)
    return float(np.sum(np.diff(hits[ends], prepend=0) * (hits[ends] / (ends + 1))) / hits[-1])


def log_losses(labels: Labels, scores: Scores) -> Scores:
    """Negative log likelihood of each row, float64[n]."""
    clipped = np.clip(scores, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return -np.log(np.where(labels, clipped, 1 - clipped))


def brier_losses(labels: Labels, scores: Scores) -> Scores:
    """Squared error of the probability of each row, float64[n]."""
    return np.square(scores - labels)


def log_loss(labels: Labels, scores: Scores) -> float:
    """Mean negative log likelihood."""
    return float(log_losses(labels, scores).mean()) if labels.size else float("nan")


def brier(labels: Labels, scores: Scores) -> float:
    """Mean squared error of the probability."""
    return float(brier_losses(labels, scores).mean()) if labels.size else float("nan")
