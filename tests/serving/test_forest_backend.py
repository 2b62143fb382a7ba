"""Forests that LightGBM trained and this project exported: the native backend gives ONNX Runtime's bits, always."""

from __future__ import annotations

import threading

import lightgbm
import numpy as np
import pytest

from headrace.packaging.export import Precision, export_lightgbm, export_raw_score
from headrace.packaging.export.model_text import parse_model
from headrace.serving.config import Device
from headrace.serving.runtime.forest import open_forest
from headrace.serving.runtime.session import Session

pytest.importorskip("headrace_kernels.native._forest", reason="the native forest is not built")

SPECIAL = np.array(
    [np.nan, 0.0, -0.0, 1e-45, -1e-40, 1e-35, -1e-35, 1.0000001e-35, np.inf, -np.inf, 3.4e38, -3.4e38, 0.5, -0.999],
    dtype=np.float32,
)
MODELS: dict[str, dict] = {
    "binary": {"objective": "binary"},
    "one tree": {"objective": "binary", "rounds": 1, "num_leaves": 2},
    "trees of one leaf": {"objective": "regression", "min_data_in_leaf": 5000},
    "zero is missing": {"objective": "binary", "zero_as_missing": True},
    "nothing is missing": {"objective": "binary", "use_missing": False},
    "categories in a mask": {"objective": "binary", "categories": 20},
    "categories in tables": {"objective": "binary", "categories": 200, "max_cat_threshold": 100},
    "64 leaves": {"objective": "regression", "num_leaves": 64, "min_data_in_leaf": 2},
    "300 leaves": {"objective": "regression", "num_leaves": 300, "min_data_in_leaf": 1, "rounds": 3},
    "more than 255 thresholds": {"objective": "regression", "max_bin": 2000, "num_leaves": 63, "rounds": 60},
    "classes": {"objective": "multiclass", "num_class": 4},
    "classes, one against all": {"objective": "multiclassova", "num_class": 3},
    "square root": {"objective": "regression", "reg_sqrt": True},
    "exponential": {"objective": "poisson"},
    "random forest": {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
    "ranking": {"objective": "lambdarank"},
}


def train(*, rounds: int = 12, categories: int = 0, **parameters: object) -> lightgbm.Booster:
    """A model over 8 columns with zeros and NaN, the last two of them categories where asked for."""
    generator = np.random.default_rng(1)
    values = generator.normal(size=(3000, 8))
    values[generator.random(values.shape) < 0.1] = 0.0
    values[generator.random(values.shape) < 0.1] = np.nan
    if categories:
        values[:, 6:] = generator.integers(0, categories, size=(3000, 2))
    known = np.nan_to_num(values)
    signal = known[:, 0] + known[:, 1] * known[:, 2] + np.sin(2 * known[:, 3]) + np.cos(17 * known[:, 6])
    classes = int(parameters.get("num_class", 2))
    label = {
        "regression": np.abs(signal),
        "poisson": np.abs(signal),
        "lambdarank": (signal > 0).astype(float),
    }.get(str(parameters["objective"]), np.clip(np.digitize(signal, np.linspace(-1, 1, classes - 1)), 0, classes - 1))
    group = [100] * 30 if parameters["objective"] == "lambdarank" else None
    settings = {"num_leaves": 31, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1, "seed": 1} | parameters
    columns = [6, 7] if categories else "auto"
    data = lightgbm.Dataset(
        values, label, group=group, params={"verbose": -1} | parameters, categorical_feature=columns
    )
    return lightgbm.train(settings, data, num_boost_round=rounds)


def rows_for(booster: lightgbm.Booster, n_rows: int, seed: int = 0) -> np.ndarray:
    """Cells beside thresholds of their own column, special, whole, or ordinary."""
    generator = np.random.default_rng(seed)
    forest = parse_model(booster.model_to_string())
    rows = generator.normal(scale=2.0, size=(n_rows, forest.n_features)).astype(np.float32)
    for feature in range(forest.n_features):
        own = [tree.threshold[(tree.feature == feature) & ~tree.categorical] for tree in forest.trees]
        exact = np.concatenate([np.zeros(1), *own]).astype(np.float32)
        near = np.concatenate([exact, np.nextafter(exact, np.float32(9e9)), np.nextafter(exact, np.float32(-9e9))])
        whole = generator.integers(-3, 210, n_rows).astype(np.float32)
        kind = generator.random(n_rows)
        rows[:, feature] = np.select(
            [kind < 0.5, kind < 0.65, kind < 0.8],
            [generator.choice(near, n_rows), generator.choice(SPECIAL, n_rows), whole],
            rows[:, feature],
        )
    return rows


def assert_same_bits(model: bytes, rows: np.ndarray, sizes: list[int]) -> None:
    """A forest and ONNX Runtime over all rows, in batches of the given sizes, by runner and without."""
    forest = open_forest(model, "model")
    session = Session(model, device=Device.CPU, name="model")
    assert forest is not None
    assert (forest.inputs, forest.outputs) == (session.inputs, session.outputs)
    runner = forest.runner()
    for size in sizes:
        expected = session.run((rows[:size],))
        for found in (runner.run((rows[:size],)), forest.run((rows[:size],))):
            for actual, wanted in zip(found, expected, strict=True):
                assert (actual.shape, actual.dtype) == (wanted.shape, wanted.dtype)
                assert actual.flags.c_contiguous
                assert actual.tobytes() == wanted.tobytes(), size


@pytest.fixture(scope="module")
def boosters() -> dict[str, lightgbm.Booster]:
    return {}


@pytest.fixture
def booster(request: pytest.FixtureRequest, boosters: dict[str, lightgbm.Booster]) -> lightgbm.Booster:
    if request.param not in boosters:
        boosters[request.param] = train(**MODELS[request.param])
    return boosters[request.param]


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("booster", MODELS, indirect=True)
def test_predictions_have_the_bits_of_onnx_runtime(booster, precision):
    assert_same_bits(export_lightgbm(booster, precision=precision), rows_for(booster, 3000), [1, 2, 63, 3000])


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("booster", ["binary", "classes", "random forest"], indirect=True)
def test_raw_scores_have_the_bits_of_onnx_runtime(booster, precision):
    assert_same_bits(export_raw_score(booster, precision=precision), rows_for(booster, 500), [1, 500])


@pytest.mark.slow
@pytest.mark.parametrize("booster", ["64 leaves", "zero is missing", "categories in tables", "classes"], indirect=True)
def test_every_batch_size_has_the_bits_of_onnx_runtime(booster):
    assert_same_bits(export_lightgbm(booster), rows_for(booster, 130), list(range(1, 131)))


@pytest.mark.slow
@pytest.mark.parametrize("booster", ["binary", "more than 255 thresholds"], indirect=True)
def test_a_hundred_thousand_rows_have_the_bits_of_onnx_runtime(booster):
    assert_same_bits(export_lightgbm(booster), rows_for(booster, 100_000, seed=3), [100_000])


@pytest.mark.parametrize("booster", ["binary"], indirect=True)
def test_rows_may_be_a_view(booster):
    model, rows = export_lightgbm(booster), rows_for(booster, 40)
    forest = open_forest(model, "model")
    assert forest is not None
    (expected,) = forest.run((rows[::2].copy(),))
    for view in (rows[::2], np.asfortranarray(rows[::2])):
        assert forest.run((view,))[0].tobytes() == expected.tobytes()


@pytest.mark.parametrize("booster", ["binary"], indirect=True)
def test_a_runner_uses_its_memory_again_and_a_run_does_not(booster):
    forest = open_forest(export_lightgbm(booster), "model")
    assert forest is not None
    rows = rows_for(booster, 64)
    runner = forest.runner()
    (first,) = runner.run((rows,))
    assert np.shares_memory(first, runner.run((rows[:3],))[0])
    assert not np.shares_memory(forest.run((rows,))[0], forest.run((rows,))[0])


@pytest.mark.parametrize("booster", ["64 leaves"], indirect=True)
def test_threads_score_at_the_same_time(booster):
    forest = open_forest(export_lightgbm(booster), "model")
    assert forest is not None
    rows = rows_for(booster, 512)
    (expected,) = forest.run((rows,))
    wrong: list[int] = []

    def work(thread: int) -> None:
        for turn in range(20):
            size = 1 + (37 * turn + 11 * thread) % 512
            if forest.run((rows[:size],))[0].tobytes() != expected[:size].tobytes():
                wrong.append(size)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "parameters",
    [{"objective": "cross_entropy_lambda"}, {"objective": "regression", "linear_tree": True}],
    ids=["a logarithm", "linear leaves"],
)
def test_what_the_kernel_does_not_do_is_left_to_onnx_runtime(parameters):
    booster = train(**parameters)
    assert open_forest(export_lightgbm(booster), "model") is None


def test_details_say_how_it_runs():
    forest = open_forest(export_lightgbm(train(objective="binary")), "model")
    assert forest is not None
    assert forest.details["trees"] == "12"
    assert forest.details["instructions"] in ("plain", "avx2", "avx512")
    assert forest.placement.device == "cpu"
