"""The same trials by `headrace tune`'s engine and by hand: Optuna, its LightGBM callback, a Dataset in each trial.

250,000 rows x 105 features made to look like the flights model's (windows with many values, counts with few, shares,
a tenth missing), binary labels, AUC watched, early stopping after 30 rounds. Both try the same points, given
beforehand and enqueued, and neither prunes: so that both train the same trees, which is checked (best values equal to
1e-12). `by hand` is what the two libraries' manuals show: one trial after the other, LightGBM with both cores;
`by hand, n_jobs=2` is a user who lets Optuna run two trials at once, with a thread each. headrace keeps its study in a
SQLite file as always; by hand it stays in memory.

    python benchmarks/bench_tuning.py [--smoke] [--output build/bench/tuning.json]
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before OpenMP is loaded, and alike for all

import shutil
import tempfile
import time
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import optuna
from measure import Contender, Measurement, Work, measure, measure_sizes
from optuna_integration import LightGBMPruningCallback

from headrace.training import SplitMasks, TrainingData, TrainingSettings, bin_data
from headrace.training.tuning import FloatRange, IntRange, Tuning, TuningJob, tune
from headrace.training.tuning.space import default_ranges

FULL = (250_000,)
SMOKE = (20_000,)
FEATURES = 105
THREADS = 2
ROUNDS = 3
BASE = {"learning_rate": 0.1, "num_leaves": 31, "bagging_freq": 1}
PATIENCE = 30
SPACE = {
    "learning_rate": (0.05, 0.3),
    "num_leaves": (7, 127),
    "min_child_samples": (20, 2_000),
    "feature_fraction": (0.2, 1.0),
    "bagging_fraction": (0.5, 1.0),
    "lambda_l2": (0.01, 100.0),
}


def make_data(rows: int) -> TrainingData:
    """Rows in time order: the first three quarters train, the rest validates."""
    rng = np.random.default_rng(9)
    values = rng.normal(size=(rows, FEATURES)).astype(np.float32)
    values[:, 40:70] = np.floor(np.abs(values[:, 40:70]) * 5)
    values[:, 70:95] = np.round(1 / (1 + np.exp(-values[:, 70:95])), 2)
    values[rng.random(values.shape) < 0.1] = np.nan
    known = np.nan_to_num(values)
    score = (
        known[:, 0] + known[:, 1] * known[:, 2] + 0.3 * known[:, 41] - 2 * known[:, 71] + 0.2 * known[:, 5:25].sum(1)
    )
    labels = rng.random(rows) < 1 / (1 + np.exp(1 - 0.5 * score))
    train = np.arange(rows) < rows * 3 // 4
    return TrainingData(
        values,
        tuple(f"feature {at}" for at in range(FEATURES)),
        labels,
        SplitMasks(train, ~train, np.zeros_like(train)),
    )


def draw_points(number: int) -> list[dict[str, Any]]:
    """Points of the space, even in their logarithm."""
    rng = np.random.default_rng(5)
    points = []
    for _ in range(number):
        point: dict[str, Any] = {
            name: float(np.exp(rng.uniform(np.log(low), np.log(high)))) for name, (low, high) in SPACE.items()
        }
        points.append(point | {name: round(point[name]) for name in ("num_leaves", "min_child_samples")})
    return points


def ours(data: TrainingData, points: list[dict[str, Any]], rounds: int) -> float:
    """Our engine, as a user gets it: a study on disk, a trial a thread."""
    folder = Path(tempfile.mkdtemp())
    settings = TrainingSettings(params=BASE, rounds=rounds, early_stopping_rounds=PATIENCE, threads=THREADS)
    tuning = Tuning(first=points, trials=len(points) + 1, pruner="none", space=_ranges())
    try:
        result = tune(TuningJob(data, settings, tuning, folder, "benchmark"))
    finally:
        shutil.rmtree(folder)
    assert len([trial for trial in result.trials if trial.is_complete]) == len(points) + 1
    return float(result.winner.value or 0.0)


def by_hand(data: TrainingData, points: list[dict[str, Any]], rounds: int, *, jobs: int) -> float:
    """Optuna and LightGBM as their manuals show them; the first point is the untuned one."""
    parts = {name: getattr(data.split, name) for name in ("train", "valid")}
    matrices = {name: data.values[mask] for name, mask in parts.items()}
    labels = {name: data.labels[mask].astype(np.float32) for name, mask in parts.items()}

    def objective(trial: optuna.Trial) -> float:
        params = {
            **BASE,
            **(_suggested(trial) if trial.number else {}),
            "objective": "binary", "metric": "auc", "seed": 0, "num_threads": THREADS // jobs, "verbosity": -1,
            "deterministic": True, "force_row_wise": True, "feature_pre_filter": False,
        }  # fmt: skip
        train = lgb.Dataset(matrices["train"], labels["train"])
        valid = lgb.Dataset(matrices["valid"], labels["valid"], reference=train)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            callbacks = [
                lgb.early_stopping(PATIENCE, verbose=False),
                LightGBMPruningCallback(trial, "auc", valid_name="valid_0"),
            ]
        booster = lgb.train(params, train, num_boost_round=rounds, valid_sets=[valid], callbacks=callbacks)
        return float(booster.best_score["valid_0"]["auc"])

    sampler = optuna.samplers.TPESampler(seed=0, multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=optuna.pruners.NopPruner())
    for point in [{}, *points]:
        study.enqueue_trial(point)
    study.optimize(objective, n_trials=len(points) + 1, n_jobs=jobs)
    return float(study.best_value)


def compare(rows: int) -> Measurement:
    """Measure one size."""
    small = rows < FULL[0]
    points, rounds = draw_points(7), 60 if small else 100
    data = make_data(rows)
    began = time.perf_counter()
    bin_data(data, TrainingSettings(threads=THREADS))
    print(f"{rows:,} rows: a Dataset takes {time.perf_counter() - began:.2f} s with {THREADS} threads")
    return measure(
        [
            Contender("by hand", partial(by_hand, data, points, rounds, jobs=1)),
            Contender("by hand, n_jobs=2", partial(by_hand, data, points, rounds, jobs=2)),
            Contender("headrace", partial(ours, data, points, rounds)),
        ],
        title=f"tuning, {rows:,} rows x {FEATURES} features",
        check=_check, work=Work(len(points) + 1, "trial"), rounds=ROUNDS,
    )  # fmt: skip


def _check(answers: Mapping[str, Any]) -> None:
    for name, best in answers.items():
        assert abs(best - answers["by hand"]) < 1e-12, f"{name}: best {best}, by hand {answers['by hand']}"


def _suggested(trial: optuna.Trial) -> dict[str, Any]:
    return {
        name: trial.suggest_int(name, low, high, log=True)
        if isinstance(low, int)
        else trial.suggest_float(name, low, high, log=True)
        for name, (low, high) in SPACE.items()
    }


def _ranges() -> dict[str, Any]:
    left_out: dict[str, Any] = dict.fromkeys(default_ranges(TrainingSettings(), FULL[0]))
    return left_out | {
        name: IntRange(low, high, log=True) if isinstance(low, int) else FloatRange(low, high, log=True)
        for name, (low, high) in SPACE.items()
    }


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    measure_sizes("tuning", __doc__, compare, full=FULL, smoke=SMOKE, facts={"threads": THREADS})
