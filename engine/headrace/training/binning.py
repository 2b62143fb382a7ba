"""LightGBM's view of a split: values in bins, made once and shared by everything that trains on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import FailedCheckError, InvalidInputError
from headrace.evaluation.task import Task
from headrace.training.dataset import TrainingData
from headrace.training.library import load_lightgbm
from headrace.training.settings import TrainingSettings
from headrace.training.split import Mask

MOST_RELEVANT = 30  # LightGBM has gains for grades 0 to 30


@dataclass(frozen=True)
class Binned:
    """The parts of a split as LightGBM datasets; the validation part has the bins of the training part.

    Training reads them and changes nothing in them, so that several threads may train on one.

    Attributes:
        train: lightgbm.Dataset of the training part.
        valid: of the validation part; None where there is none to watch.
        names: of the features, in the matrix's order.
    """

    train: Any
    valid: Any
    names: tuple[str, ...]


def bin_data(
    data: TrainingData, settings: TrainingSettings, *, everything: bool = False, continued: bool = False
) -> Binned:
    """Make the datasets of a split.

    The matrix is read where it lies, without a copy, where a part's rows are neighbours.

    Args:
        data: matrix, labels, split.
        settings: objective, class weights, parameters that binning depends on (`max_bin` and the like).
        everything: training and validation parts together, with nothing to watch.
        continued: training will go on from trees that exist, so that LightGBM must see the raw values once more: the
            datasets are made when training begins.

    Raises:
        FailedCheckError: a part has no rows, or labels from which nothing can be learnt.
        InvalidInputError: labels that the objective does not take.
    """
    mask = data.split.train | data.split.valid if everything else data.split.train
    check_labels(data, settings, "train", mask)
    train = _dataset(data, mask, settings, class_weights(data.labels[mask], settings))
    valid = None
    if not everything:
        check_labels(data, settings, "valid", data.split.valid)
        valid = _dataset(data, data.split.valid, settings, {}, reference=train)
    if not continued:
        train.construct()
        if valid is not None:
            valid.construct()
    return Binned(train, valid, data.names)


def check_labels(data: TrainingData, settings: TrainingSettings, part: str, mask: Mask) -> None:
    """Refuse labels that the objective does not take, or that say nothing.

    Raises:
        FailedCheckError: a part has no rows, one kind of label, or lacks a class.
        InvalidInputError: labels of another type, or outside of the objective's range.
    """
    labels = data.labels[mask]
    wanted = {Task.BINARY: "bool", Task.REGRESSION: "float64"}.get(settings.task, "int64")
    if labels.dtype.name != wanted:
        raise InvalidInputError(f"objective '{settings.objective}' takes labels of {wanted}, not {labels.dtype}")
    found = np.unique(labels)
    if found.size < (2 if settings.task is not Task.RANKING else 1):
        kind = f": all are {found[0]}" if found.size else ""
        raise FailedCheckError(f"the {part} part has {labels.size:,} rows and fewer than two labels{kind}")
    if settings.task is Task.REGRESSION:
        _check_numbers(found, settings)
    if settings.task is Task.RANKING:
        if data.groups is None:
            raise InvalidInputError(f"objective '{settings.objective}' ranks rows within queries: groups are missing")
        _check_whole(found, MOST_RELEVANT + 1, "a grade of relevance")
    if settings.task is Task.MULTICLASS:
        _check_whole(found, settings.n_classes, "a class")
        if part == "train" and found.size < settings.n_classes:
            missing = sorted(set(range(settings.n_classes)) - set(found.tolist()))
            raise FailedCheckError(f"the train part has no row of {len(missing)} classes, the first is {missing[0]}")


def class_weights(labels: npt.NDArray[Any], settings: TrainingSettings) -> Mapping[int, float]:
    """Weight of each class by its number, from the labels of the training part; empty where all are alike.

    Reference for `balanced`: King and Zeng, Political Analysis 9 (2001): n / (classes x rows of the class).
    """
    if not settings.class_weight:
        return {}
    if not isinstance(settings.class_weight, str):
        return settings.class_weight
    counts = np.bincount(labels.astype(np.int64))
    return {code: labels.size / (counts.size * rows) for code, rows in enumerate(counts.tolist()) if rows}


def _check_numbers(found: npt.NDArray[np.float64], settings: TrainingSettings) -> None:
    bound = settings.goal.labels
    bad = {
        "any": ~np.isfinite(found),
        "not negative": ~(found >= 0) | np.isinf(found),
        "above 0": ~(found > 0) | np.isinf(found),
        "from 0 to 1": ~((found >= 0) & (found <= 1)),
    }[bound]
    if bad.any():
        allowed = "finite" if bound == "any" else f"finite and {bound}"
        raise InvalidInputError(
            f"objective '{settings.objective}' takes labels that are {allowed}; one is {found[bad][0]}"
        )


def _check_whole(found: npt.NDArray[np.int64], below: int, what: str) -> None:
    bad = found[(found < 0) | (found >= below)]
    if bad.size:
        raise InvalidInputError(f"label {bad[0]} is not {what}: they are 0 to {below - 1}")


def _dataset(
    data: TrainingData,
    mask: Mask,
    settings: TrainingSettings,
    weights: Mapping[int, float],
    *,
    reference: Any = None,
) -> Any:
    lgb = load_lightgbm()
    rows = data.rows(mask)
    labels = data.labels[rows]
    weight = data.weights[rows] if data.weights is not None else None
    if weights:
        of_class = np.array([weights.get(code, 1.0) for code in range(max(weights) + 1)])[labels.astype(np.int64)]
        weight = of_class if weight is None else weight * of_class
    group = None
    if data.groups is not None:
        queries = data.groups[rows]
        group = np.diff(np.flatnonzero(np.concatenate([[True], queries[1:] != queries[:-1], [True]])))
    return lgb.Dataset(
        data.part(rows),
        labels.astype(np.float32),
        reference=reference,
        weight=weight,
        group=group,
        feature_name=[f"f{place}" for place in range(len(data.names))],
        params=settings.lightgbm_parameters(data.names),
        free_raw_data=True,
    )
