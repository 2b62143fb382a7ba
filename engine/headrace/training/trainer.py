"""Train LightGBM, reproducibly: the same data and settings give the same trees.

LightGBM is loaded when training starts, not before.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from headrace.core.errors import InvalidInputError
from headrace.core.progress import Progress, SilentProgress, Step
from headrace.training.dataset import TrainingData
from headrace.training.library import load_lightgbm
from headrace.training.settings import TrainingSettings
from headrace.training.split import Mask
from headrace.training.trained import CurvePoint, TrainedModel, gain_shares


def train(
    data: TrainingData, settings: TrainingSettings | None = None, *, progress: Progress | None = None
) -> TrainedModel:
    """Train on the training part, stop early on the validation part.

    Ctrl-C ends it between two trees, with nothing written.

    Args:
        data: matrix, labels, split.
        settings: parameters and limits.
        progress: where to report: a step of at most `rounds` trees.
    """
    lgb = load_lightgbm()
    settings = settings or TrainingSettings()
    started = time.perf_counter()
    fit = _dataset(data, data.split.train, settings)
    watched = _dataset(data, data.split.valid, settings, reference=fit)
    curve: list[CurvePoint] = []
    with (progress or SilentProgress()).step("train", total=settings.rounds) as step:
        callbacks: list[Any] = [_Watch(step, curve, settings.metric)]
        if settings.early_stopping_rounds:
            callbacks.append(lgb.early_stopping(settings.early_stopping_rounds, first_metric_only=True, verbose=False))
        booster = lgb.train(
            settings.lightgbm_parameters(),
            fit,
            num_boost_round=settings.rounds,
            valid_sets=[watched],
            valid_names=["valid"],
            callbacks=callbacks,
        )
    best = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    return _trained(booster, data, best, curve, settings, started)


def refit(
    data: TrainingData, settings: TrainingSettings, rounds: int, *, progress: Progress | None = None
) -> TrainedModel:
    """Train on the training and validation parts together, for a number of trees that is known to be good.

    Args:
        data: matrix, labels, split.
        settings: parameters; its limits are not used.
        rounds: how many trees, usually the best iteration of `train`.
        progress: where to report: a step of `rounds` trees.

    Raises:
        InvalidInputError: `rounds` is below 1.
    """
    lgb = load_lightgbm()
    if rounds < 1:
        raise InvalidInputError(f"refit needs at least 1 tree, not {rounds}")
    started = time.perf_counter()
    fit = _dataset(data, data.split.train | data.split.valid, settings)
    with (progress or SilentProgress()).step("refit", total=rounds) as step:
        booster = lgb.train(
            settings.lightgbm_parameters(), fit, num_boost_round=rounds, callbacks=[_Watch(step, [], settings.metric)]
        )
    return _trained(booster, data, booster.current_iteration(), [], settings, started)


class _Watch:
    """LightGBM callback: counts trees and keeps the validation curve."""

    before_iteration = False
    order = 0  # before early stopping (30), which ends the round by raising

    def __init__(self, step: Step, curve: list[CurvePoint], metric: str) -> None:
        self._step = step
        self._curve = curve
        self._metric = metric

    def __call__(self, env: Any) -> None:
        self._step.advance()
        for _part, _name, value, *_rest in env.evaluation_result_list or ():
            self._curve.append(CurvePoint(env.iteration + 1, float(value)))
            self._step.note(f"{self._metric} {value:.4f}")


def _trained(
    booster: Any,
    data: TrainingData,
    iterations: int,
    curve: list[CurvePoint],
    settings: TrainingSettings,
    started: float,
) -> TrainedModel:
    return TrainedModel(
        booster=booster,
        names=data.names,
        best_iteration=iterations,
        curve=tuple(curve),
        settings=settings,
        shares=gain_shares(booster, data.names, iterations),
        seconds=time.perf_counter() - started,
    )


def _dataset(data: TrainingData, mask: Mask, settings: TrainingSettings, *, reference: Any = None) -> Any:
    lgb = load_lightgbm()
    parameters = settings.lightgbm_parameters()
    labels = data.labels[mask].astype(np.float32)
    made = lgb.Dataset(
        data.part(mask),
        labels,
        reference=reference,
        feature_name=[f"f{place}" for place in range(len(data.names))],
        params=parameters,
        free_raw_data=True,
    )
    return made.construct()
