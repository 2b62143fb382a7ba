"""A compiled model is measured as it is served: larger ones take longer, and the figures repeat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headrace.packaging.export import export_lightgbm
from headrace.pipeline.tuning import CompiledMeasure, sample_rows, smallest_forest
from headrace.training import SplitMasks, TrainingData, TrainingSettings, train

SETTINGS = TrainingSettings(params={"num_leaves": 31}, rounds=300, early_stopping_rounds=0, threads=1)
TASKS = {
    "binary": lambda score, rng: rng.random(score.size) < 1 / (1 + np.exp(-score)),
    "multiclass": lambda score, _rng: np.digitize(score, [-0.5, 0.5]).astype(np.int64),
    "regression": lambda score, _rng: score.astype(np.float64),
    "lambdarank": lambda score, _rng: np.digitize(score, [-0.5, 0.5]).astype(np.int64),
}


def make_data(objective="binary"):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3_000, 20)).astype(np.float32)
    train_rows = np.arange(3_000) < 2_000
    return TrainingData(
        values,
        tuple(f"f{n}" for n in range(20)),
        TASKS[objective](values[:, 0] + values[:, 1] * values[:, 2], rng),
        SplitMasks(train_rows, ~train_rows, np.zeros_like(train_rows)),
        groups=np.arange(3_000) // 10 if objective == "lambdarank" else None,
    )


@pytest.mark.slow
def test_a_larger_model_takes_longer_and_is_larger():
    data = make_data()
    measure = CompiledMeasure(sample_rows(data), smallest_forest(data, SETTINGS))
    small, large = (train(data, replace(SETTINGS, rounds=rounds)) for rounds in (3, 300))
    of_small, of_large = measure(small), measure(large)
    assert of_small.latency_p99_us < of_large.latency_p99_us
    assert of_small.over_floor < of_large.over_floor
    assert of_large.size_bytes == len(export_lightgbm(large.booster, num_iteration=large.best_iteration))


@pytest.mark.slow
@pytest.mark.parametrize("objective", TASKS)
def test_every_task_has_a_smallest_forest_and_is_measured(objective):
    data = make_data(objective)
    of_classes = {"n_classes": 3} if objective == "multiclass" else {}
    settings = replace(SETTINGS, objective=objective, metric="", rounds=5, params={}, **of_classes)
    floor = smallest_forest(data, settings)
    assert floor.best_iteration == 1
    measured = CompiledMeasure(sample_rows(data), floor)(train(data, settings))
    assert measured.floor_p99_us > 0
    assert measured.size_bytes > 0
