"""Rows made to break an export, and the runtime and oracle that judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm
import numpy as np
import onnxruntime
import pytest

from headrace.packaging.export import (
    export_leaf_index,
    export_lightgbm,
    export_raw_score,
    export_tensor_leaf_index,
    export_tensor_raw_score,
    export_tensors,
)
from headrace.packaging.export.model_text import parse_model
from headrace.packaging.export.tensors import Strategy

TENSOR_ROWS = 10_000
TINY = np.float32(1e-35)
SPECIAL = np.array(
    [np.nan, 0.0, -0.0, 1e-45, -1e-45, 1e-40, -1e-38, TINY, -TINY, np.inf, -np.inf, 3e38, -3e38, 1.0, -1.0, 0.5, -0.5]
    + [2.0**31, -(2.0**31), 2.0**40, 2.0**24 + 2, 3.7, 1.5, -0.999]
    + [np.nextafter(edge, way) for edge in (TINY, -TINY) for way in (np.float32(np.inf), np.float32(-np.inf))],
    dtype=np.float32,
)


@dataclass(frozen=True)
class Exactness:
    """How far an export is from LightGBM: wrong leaves, raw scores (float64), predictions (float32)."""

    leaves: int
    raw: float
    prediction: float


def run_onnx(model: bytes, rows: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: rows})[0]


def values_near(thresholds: np.ndarray) -> np.ndarray:
    """Each threshold in float32, with both neighbours."""
    up, down = np.float32(np.inf), np.float32(-np.inf)
    with np.errstate(over="ignore", under="ignore"):
        near = thresholds.astype(np.float32)
        return np.concatenate([near, np.nextafter(near, up), np.nextafter(near, down)])


def make_hostile_rows(model_text: str, n_rows: int, seed: int = 0) -> np.ndarray:
    """float32 rows whose cells are ordinary, special, categories, or beside a threshold of their own column."""
    generator = np.random.default_rng(seed)
    forest = parse_model(model_text)
    rows = generator.normal(scale=3.0, size=(n_rows, forest.n_features)).astype(np.float32)
    for feature in range(forest.n_features):
        own = [tree.threshold[(tree.feature == feature) & ~tree.categorical] for tree in forest.trees]
        near = values_near(np.unique(np.concatenate([np.zeros(1), *own])))
        whole = np.arange(-3, 70, dtype=np.float32)
        kind = generator.integers(0, 10, size=n_rows)
        rows[:, feature] = np.select(
            [kind < 4, kind < 6, kind < 8],
            [generator.choice(near, n_rows), generator.choice(SPECIAL, n_rows), generator.choice(whole, n_rows)],
            rows[:, feature],
        )
    return rows


def largest_difference(actual: np.ndarray, expected: np.ndarray) -> float:
    """Written apart from the product's own: equal bits or both NaN are 0; relative above 1, since float32 is."""
    expected = expected.reshape(actual.shape)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(actual - expected) / np.maximum(1.0, np.abs(expected))
    beyond = np.isinf(actual) & (np.abs(expected) > float(np.finfo(np.float32).max))
    return float(np.where(same | beyond, 0.0, np.where(np.isnan(gap), np.inf, gap)).max(initial=0.0))


def judge(source: lightgbm.Booster | str, rows: np.ndarray, booster: lightgbm.Booster, **used: int | None) -> Exactness:
    wide = rows.astype(np.float64)
    alone = {"num_threads": 1}  # two threads on two busy cores mostly wait for each other
    leaf = run_onnx(export_leaf_index(source, **used), rows)
    raw = run_onnx(export_raw_score(source, **used), rows)
    prediction = run_onnx(export_lightgbm(source, **used), rows)
    assert raw.dtype == np.float64
    assert prediction.dtype == np.float32
    judge_tensors(source, rows[:TENSOR_ROWS], (leaf, raw, prediction), **used)
    expected_leaf = booster.predict(wide, pred_leaf=True, **used, **alone)
    expected_raw = booster.predict(wide, raw_score=True, **used, **alone).reshape(raw.shape)
    same = (raw == expected_raw) | (np.isnan(raw) & np.isnan(expected_raw))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(raw - expected_raw))
    return Exactness(
        leaves=int(np.count_nonzero(leaf != expected_leaf.reshape(leaf.shape))),
        raw=float(np.where(np.isnan(gap), np.inf, gap).max(initial=0.0)),
        prediction=largest_difference(prediction, booster.predict(wide, **used, **alone)),
    )


def judge_tensors(
    source: lightgbm.Booster | str, rows: np.ndarray, of_cpu: tuple[np.ndarray, ...], **used: int | None
) -> None:
    """Both forms as tensor operations give the bits of the CPU graphs, which are judged beside it."""
    exports = (export_tensor_leaf_index, export_tensor_raw_score, export_tensors)
    for strategy in Strategy:
        for export, expected in zip(exports, of_cpu, strict=True):
            actual = run_onnx(export(source, strategy=strategy, **used), rows)
            assert actual.dtype == expected.dtype
            np.testing.assert_array_equal(actual, expected[: len(rows)], err_msg=f"{export.__name__} {strategy}")


@pytest.fixture(scope="session")
def run() -> Callable[[bytes, np.ndarray], np.ndarray]:
    return run_onnx


@pytest.fixture(scope="session")
def hostile_rows() -> Callable[..., np.ndarray]:
    return make_hostile_rows


@pytest.fixture(scope="session")
def exactness() -> Callable[..., Exactness]:
    return judge


@pytest.fixture(scope="session")
def table() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Training data: 8 float columns, with zeros and NaN, and a signal."""

    def make(n_rows: int = 2000, seed: int = 0, columns: int = 8) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(seed)
        values = generator.normal(size=(n_rows, columns))
        values[generator.random(values.shape) < 0.1] = 0.0
        values[generator.random(values.shape) < 0.1] = np.nan
        known = np.nan_to_num(values)
        signal = known[:, 0] + known[:, 1] * known[:, 2] + np.sin(2 * known[:, 3]) - (known[:, 4] == 0)
        return values, signal + 0.3 * generator.normal(size=n_rows)

    return make


@pytest.fixture(scope="session")
def train() -> Callable[..., lightgbm.Booster]:
    def make(parameters: dict, values: np.ndarray, label: np.ndarray, **dataset: object) -> lightgbm.Booster:
        rounds = parameters.pop("rounds", 20)
        settings = {"num_leaves": 15, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1, "seed": 1} | parameters
        data = lightgbm.Dataset(values, label, params={"verbose": -1}, **dataset)
        return lightgbm.train(settings, data, num_boost_round=rounds)

    return make
