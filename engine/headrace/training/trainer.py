"""Train LightGBM, reproducibly: the same data and settings give the same trees.

LightGBM is loaded when training starts, not before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headrace.core.errors import InvalidInputError
from headrace.core.progress import Progress, SilentProgress, SilentStep, Step
from headrace.training.binning import Binned, bin_data
from headrace.training.checkpoint import Checkpoint, Interrupted
from headrace.training.dataset import TrainingData
from headrace.training.library import load_lightgbm
from headrace.training.objectives import Metric
from headrace.training.settings import TrainingSettings
from headrace.training.trained import TrainedModel, gain_shares
from headrace.training.watching import TreeWatcher, Watch


def train(
    data: TrainingData,
    settings: TrainingSettings | None = None,
    *,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> TrainedModel:
    """Train on the training part, stop early on the validation part.

    Ctrl-C ends it between two trees, with nothing written but the last checkpoint.

    Args:
        data: matrix, labels, split.
        settings: objective, parameters and limits.
        progress: where to report: a step of at most `rounds` trees.
        checkpoint: where the trees so far are kept, and gone on from where a checkpoint of the same training is there.
            It is removed when training is done.

    Raises:
        FailedCheckError: a part has no rows, or labels from which nothing can be learnt.
        InvalidInputError: labels that the objective does not take.
    """
    settings = settings or TrainingSettings()
    found = checkpoint.read() if checkpoint is not None else None
    binned = bin_data(data, settings, continued=found is not None)
    with (progress or SilentProgress()).step("train", total=settings.rounds) as step:
        watchers = [checkpoint] if checkpoint is not None else []
        trained = boost(binned, settings, step=step, watchers=watchers, interrupted=found)
    if checkpoint is not None:
        checkpoint.clear()
    return trained


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
    if rounds < 1:
        raise InvalidInputError(f"refit needs at least 1 tree, not {rounds}")
    binned = bin_data(data, settings, everything=True)
    with (progress or SilentProgress()).step("refit", total=rounds) as step:
        fixed = replace(settings, rounds=rounds, early_stopping_rounds=0)
        return replace(boost(binned, fixed, step=step), settings=settings)


def boost(
    binned: Binned,
    settings: TrainingSettings,
    *,
    step: Step | None = None,
    watchers: Sequence[TreeWatcher] = (),
    interrupted: Interrupted | None = None,
) -> TrainedModel:
    """Grow trees on datasets that are there; several threads may do so on the same ones.

    Args:
        binned: the datasets.
        settings: objective, parameters and limits; what binning depends on must be as it was when they were made.
        step: counts rounds of trees and shows the metric.
        watchers: told after each round; one that raises ends training.
        interrupted: trees to go on from; the datasets must have been made with `continued`.
    """
    lgb = load_lightgbm()
    started = time.perf_counter()
    before = interrupted.curve if interrupted else ()
    resumed = (*interrupted.resumed_at, interrupted.trees) if interrupted else ()
    for watcher in watchers:
        if isinstance(watcher, Checkpoint):
            watcher.resumed_at = resumed
    watch = Watch(
        step or SilentStep(),
        settings.watched,
        patience=settings.early_stopping_rounds if binned.valid is not None else 0,
        curve=before,
        watchers=watchers,
    )
    done = interrupted.trees if interrupted else 0
    booster = lgb.train(
        settings.lightgbm_parameters(binned.names) | {"seed": settings.seed + done},
        binned.train,
        num_boost_round=max(0, settings.rounds - done),
        valid_sets=[binned.valid] if binned.valid is not None else None,
        valid_names=["valid"] if binned.valid is not None else None,
        feval=_evaluate(settings.watched),
        init_model=lgb.Booster(model_str=interrupted.model_text) if interrupted else None,
        keep_training_booster=True,
        callbacks=[watch],
    )
    stops = settings.early_stopping_rounds and watch.best is not None
    trees = watch.best.trees if stops and watch.best is not None else booster.current_iteration()
    return TrainedModel(
        booster=booster,
        names=binned.names,
        best_iteration=trees,
        curve=tuple(watch.curve),
        settings=settings,
        shares=gain_shares(booster, binned.names, trees),
        seconds=time.perf_counter() - started,
        resumed_at=resumed,
    )


def _evaluate(metric: Metric) -> Callable[[Any, Any], tuple[str, float, bool]] | None:
    """A metric of the user's own, as LightGBM asks for it; None for LightGBM's own.

    Raises:
        InvalidInputError: the metric was read back from a stored model, which holds no functions.
    """
    if metric.lightgbm:
        return None
    function = metric.function
    if function is None:
        raise InvalidInputError(f"metric '{metric.name}' has no function: it was read from a stored model")

    def evaluate(predictions: Any, dataset: Any) -> tuple[str, float, bool]:
        value = float(function(np.asarray(dataset.get_label(), np.float64), np.asarray(predictions, np.float64)))
        return metric.name, value, metric.higher_is_better

    return evaluate
