"""float32 models: other last digits, the same leaves; and rows that would show a wrong rounding."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from headrace.packaging.export import Precision, ensemble, export_leaf_index, export_lightgbm, export_raw_score


@pytest.fixture(scope="module")
def booster(table, train):
    values, signal = table(n_rows=5000)
    return train({"objective": "binary", "num_leaves": 31, "rounds": 100}, values, (signal > 0).astype(float))


@pytest.fixture(scope="module")
def rows(booster, hostile_rows):
    return hostile_rows(booster.model_to_string(), 100_000)


@pytest.mark.slow
def test_float32_reaches_the_same_leaves(booster, rows, run):
    """Thresholds rounded down keep every row where it was; probabilities stay within 2e-6."""
    wide = rows.astype(np.float64)
    leaf = run(export_leaf_index(booster, precision=Precision.FLOAT32), rows)
    assert np.array_equal(leaf, booster.predict(wide, pred_leaf=True))
    score = run(export_lightgbm(booster, precision=Precision.FLOAT32), rows)[:, 0]
    assert np.abs(score - booster.predict(wide)).max() <= 2e-6


@pytest.mark.slow
def test_these_rows_would_catch_rounding_to_nearest(booster, rows, run, monkeypatch):
    """The judge is awake: the usual rounding moves rows to other leaves."""
    monkeypatch.setattr(ensemble, "floor_to_float32", lambda values: values.astype(np.float32))
    leaf = run(export_leaf_index(booster, precision=Precision.FLOAT32), rows)
    assert np.count_nonzero(leaf != booster.predict(rows.astype(np.float64), pred_leaf=True)) > 100


def test_float32_raw_scores_are_declared_so(booster, rows, run):
    """The raw output has the arithmetic's type."""
    model = export_raw_score(booster, precision=Precision.FLOAT32)
    assert run(model, rows[:10]).dtype == np.float32


@pytest.mark.parametrize("categories", [20, 200])
def test_float32_models_split_on_categories(categories, table, train, run):
    """Sets of categories are written in the arithmetic's type, which ONNX Runtime insists on."""
    values, signal = table()
    values[:, 0] = np.random.default_rng(0).integers(0, categories, len(values))
    booster = train({"rounds": 5}, values, signal + np.cos(17 * values[:, 0]), categorical_feature=[0])
    rows = values.astype(np.float32)
    leaf = run(export_leaf_index(booster, precision=Precision.FLOAT32), rows)
    assert np.array_equal(leaf, booster.predict(rows.astype(np.float64), pred_leaf=True))


def test_float32_does_not_reach_linear_leaves(table, train, hostile_rows, run):
    """Linear leaves multiply inputs, so they are float64 whatever was asked."""
    values, signal = table()
    booster = train({"linear_tree": True, "rounds": 3}, values, signal)
    data = hostile_rows(booster.model_to_string(), 1000)
    raw = run(export_raw_score(booster, precision=Precision.FLOAT32), data)[:, 0]
    assert np.array_equal(raw, booster.predict(data.astype(np.float64), raw_score=True), equal_nan=True)


def test_same_model_same_bytes(booster):
    """Rebuilding a package rebuilds its model file bit for bit."""
    assert export_lightgbm(booster) == export_lightgbm(booster.model_to_string(num_iteration=-1))


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("export", [export_lightgbm, export_raw_score, export_leaf_index])
def test_model_is_valid_onnx_with_declared_names_and_shapes(export, precision, booster):
    """Graphs pass the standard's checker, and declare a free batch dimension and the true width."""
    model = onnx.load_from_string(export(booster, precision=precision, input_name="x", output_name="y"))
    onnx.checker.check_model(model, full_check=True)
    (given,), (made,) = model.graph.input, model.graph.output
    width = 100 if export is export_leaf_index else 1
    assert (given.name, made.name) == ("x", "y")
    assert [d.dim_value for d in given.type.tensor_type.shape.dim] == [0, 8]
    assert [d.dim_value for d in made.type.tensor_type.shape.dim] == [0, width]


@pytest.mark.parametrize("parameters", [{"linear_tree": True}, {"zero_as_missing": True}, {"min_data_in_leaf": 10**6}])
def test_runtime_has_nothing_to_say(parameters, table, train, run, capfd):
    """ONNX Runtime prints no warning about shapes or types of an exported model."""
    values, signal = table()
    booster = train(parameters | {"rounds": 3}, values, signal)
    capfd.readouterr()
    for export in (export_lightgbm, export_raw_score, export_leaf_index):
        run(export(booster), values.astype(np.float32))
    assert capfd.readouterr() == ("", "")
