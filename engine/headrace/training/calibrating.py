"""Fit a calibrator to a trained model's raw scores of the validation part, never of the test part.

The validation part also chose the number of trees, which makes its scores a little too good; the reliability curve of
the test part, before and after, says how much that matters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from headrace.core.errors import DefinitionError, FailedCheckError
from headrace.evaluation.task import Task
from headrace.packaging.calibrator import Calibrator, Isotonic, Platt
from headrace.training.dataset import TrainingData
from headrace.training.trained import TrainedModel

Method = Literal["", "platt", "isotonic"]
METHODS: tuple[str, ...] = ("", "platt", "isotonic")

MIN_OF_A_CLASS = 50  # rows of the rarer class below which a curve fits noise
_STEPS, _SMALL, _DAMPING = 100, 1e-10, 1e-12

Numbers = npt.NDArray[np.float64]


def check_method(method: str, task: Task) -> None:
    """Refuse a method that is not known, or a task whose outputs are no probabilities of one event.

    Raises:
        DefinitionError: it is.
    """
    if method not in METHODS:
        raise DefinitionError(f"calibration '{method}' is not known; known: {', '.join(filter(None, METHODS))}")
    if method and task is not Task.BINARY:
        raise DefinitionError(f"calibration is for binary models, not {task.value}")


def calibrated(trained: TrainedModel, data: TrainingData, method: str) -> TrainedModel:
    """The model with a calibrator fitted to the validation part; the same model where no method is asked for.

    Raises:
        DefinitionError: the method is not known.
        FailedCheckError: the validation part has too few rows of a class, or its labels fall where scores rise.
    """
    check_method(method, Task.BINARY)
    if not method:
        return trained
    rows = data.rows(data.split.valid)
    labels = data.labels[rows]
    rarer = int(min(labels.sum(), labels.size - labels.sum()))
    if rarer < MIN_OF_A_CLASS:
        raise FailedCheckError(
            f"calibration wants {MIN_OF_A_CLASS} validation rows of each label; the rarer one has {rarer}",
            hint="choose a longer validation part, or calibration=''",
        )
    raw = trained.raw_scores(np.asarray(data.part(rows)))
    weights = data.weights[rows] if data.weights is not None else np.ones(rows.size)
    fit = fit_platt if method == "platt" else fit_isotonic
    return replace(trained, calibrator=fit(raw, labels, weights))


def fit_platt(raw: Numbers, labels: npt.NDArray[np.bool_], weights: Numbers) -> Calibrator:
    """Fit a logistic curve by Newton's method with step halving.

    Targets are pulled in from 0 and 1 as Platt does, so that separable rows still have a finite curve.

    Args:
        raw: float64[n], finite.
        labels: bool[n].
        weights: float64[n], 0 or more.

    Reference: Lin, Lin and Weng, Machine Learning 68 (2007).
    """
    positives, negatives = float(weights[labels].sum()), float(weights[~labels].sum())
    target = np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    centre, scale = float(raw.mean()), float(raw.std()) or 1.0
    design = np.column_stack([(raw - centre) / scale, np.ones(raw.size)])
    at = np.array([0.0, np.log((positives + 1) / (negatives + 1))])
    loss = _loss(design @ at, target, weights)
    for _ in range(_STEPS):
        chance = _sigmoid(design @ at)
        gradient = design.T @ (weights * (chance - target))
        curvature = (design * (weights * chance * (1 - chance))[:, None]).T @ design + _DAMPING * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        share = 1.0
        while share > _SMALL and _loss(design @ (at - share * step), target, weights) > loss:
            share /= 2
        at = at - share * step
        before, loss = loss, _loss(design @ at, target, weights)
        if before - loss <= _SMALL * abs(loss):
            break
    slope = float(at[0]) / scale
    if slope <= 0:
        raise FailedCheckError(
            "the model ranks the validation part backwards: no rising curve calibrates it",
            hint="look at the split and at how features drift between training and validation",
        )
    return Platt(slope, float(at[1]) / slope - centre)


def fit_isotonic(raw: Numbers, labels: npt.NDArray[np.bool_], weights: Numbers) -> Calibrator:
    """Fit a rising curve by pooling neighbours that are out of order, through scikit-learn.

    Reference: Zadrozny and Elkan, KDD 2002.
    """
    from sklearn.isotonic import IsotonicRegression

    found = IsotonicRegression(y_min=0.0, y_max=1.0).fit(raw, labels.astype(np.float64), weights)
    knots, values = np.asarray(found.X_thresholds_, np.float64), np.asarray(found.y_thresholds_, np.float64)
    if knots.size < 2:
        knots, values = np.array([knots[0], knots[0] + 1.0]), np.repeat(values, 2)
    return Isotonic(tuple(knots.tolist()), tuple(np.maximum.accumulate(values).tolist()))


def _sigmoid(values: Numbers) -> Numbers:
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-values))


def _loss(values: Numbers, target: Numbers, weights: Numbers) -> float:
    """Cross-entropy of targets that are no whole numbers, without overflow."""
    return float((weights * (np.logaddexp(0.0, values) - target * values)).sum())
