"""Training overhead: what our trainer costs beside LightGBM's own.

Both get the same float32 matrix (of 105 features) in memory, bin it, grow 150 trees of 63 leaves and judge the
validation part after each. Ours also checks labels, keeps and draws the curve, looks for the best round and keeps
checkpoints; LightGBM records its metric and stops early by its own callbacks. Checked: the same trees, bit for bit.

    python benchmarks/bench_training.py [--smoke] [--output build/bench/training.json]
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
from measure import Contender, Measurement, Work, measure, measure_sizes

from headrace.training import Checkpoint, SplitMasks, TrainingData, TrainingSettings, train

THREADS = 2
FEATURES = 105
ROUNDS = 150
FULL = (250_000,)
SMOKE = (5_000,)
PARAMETERS = {
    "num_leaves": 63, "learning_rate": 0.08, "min_child_samples": 200, "feature_fraction": 0.3,
    "bagging_fraction": 0.8, "bagging_freq": 1,
}  # fmt: skip
SETTINGS = TrainingSettings(params=PARAMETERS, rounds=ROUNDS, early_stopping_rounds=50, threads=THREADS)


def make_data(rows: int) -> TrainingData:
    """Rows whose label follows a few of the features, one in twenty values missing."""
    random = np.random.default_rng(3)
    values = random.normal(size=(rows, FEATURES)).astype(np.float32)
    signal = values[:, 0] + values[:, 1] * values[:, 2] + 0.5 * np.abs(values[:, 3]) + 2 * random.normal(size=rows)
    values[random.random(values.shape) < 0.05] = np.nan
    last = np.arange(rows) >= rows * 4 // 5
    split = SplitMasks(~last, last, np.zeros(rows, np.bool_))
    return TrainingData(values, tuple(f"f{place}" for place in range(FEATURES)), signal > 1.0, split)


def train_bare(data: TrainingData) -> npt.NDArray[np.float64]:
    """LightGBM's Python API, as its documentation has it."""
    rows = int(data.split.train.sum())
    parameters = SETTINGS.lightgbm_parameters(data.names)
    first = lightgbm.Dataset(data.values[:rows], data.labels[:rows], params=parameters)
    valid = lightgbm.Dataset(data.values[rows:], data.labels[rows:], reference=first)
    curve: dict[str, Any] = {}
    callbacks = [lightgbm.early_stopping(50, verbose=False), lightgbm.record_evaluation(curve)]
    booster = lightgbm.train(parameters, first, ROUNDS, valid_sets=[valid], callbacks=callbacks)
    return np.asarray(booster.predict(data.values[:2_000]))


def train_ours(data: TrainingData, folder: Path) -> npt.NDArray[np.float64]:
    """Ours, with a checkpoint every thirty seconds, as a run keeps it."""
    return train(data, SETTINGS, checkpoint=Checkpoint(folder / "checkpoint.json", "bench")).predict(
        data.values[:2_000]
    )


def check(answers: Mapping[str, Any]) -> None:
    """The same trees."""
    np.testing.assert_array_equal(answers["headrace"], answers["lightgbm"])


def compare(rows: int) -> Measurement:
    """Take turns on one matrix."""
    data = make_data(rows)
    with tempfile.TemporaryDirectory() as folder:
        contenders = [
            Contender("lightgbm", lambda: train_bare(data)),
            Contender("headrace", lambda: train_ours(data, Path(folder))),
        ]
        title = f"{ROUNDS} trees, {rows:,} rows x {FEATURES}"
        return measure(contenders, title=title, check=check, work=Work(rows, "row"), rounds=9 if rows > 10_000 else 3)


if __name__ == "__main__":
    measure_sizes("training", __doc__ or "", compare, full=FULL, smoke=SMOKE, facts={"threads": THREADS})
