"""A calibrated graph gives, bit for bit in float32, what the calibrator says of the booster's raw scores."""

from __future__ import annotations

import lightgbm
import numpy as np
import onnxruntime
import pytest

from headrace.core.errors import CorruptedError, InvalidInputError
from headrace.packaging.calibrator import Isotonic, Platt, calibrator_from_json
from headrace.packaging.export import Precision, export_lightgbm, export_tensors, verify_export


def make_booster(rounds: int = 30, **params: object) -> lightgbm.Booster:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(2_000, 6))
    labels = rows[:, 0] + rng.normal(size=2_000) > 0.4
    settings = {"objective": "binary", "num_leaves": 15, "verbosity": -1, "seed": 1, **params}
    return lightgbm.train(settings, lightgbm.Dataset(rows, labels.astype(float)), rounds)


def make_rows(count: int) -> np.ndarray:
    rng = np.random.default_rng(6)
    rows = rng.normal(scale=2.0, size=(count, 6)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


def isotonic(knots: int) -> Isotonic:
    rng = np.random.default_rng(7)
    places = np.sort(rng.uniform(-2.0, 2.0, knots))
    return Isotonic(tuple(places.tolist()), tuple(np.sort(rng.random(knots)).tolist()))


def run(model: bytes, rows: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: rows})[0]


CALIBRATORS = [Platt(0.83, -0.21), Platt(3.7, 12.5), Platt(1e-3, 1e3), isotonic(2), isotonic(3), isotonic(150)]


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda one: f"{type(one).__name__}{hash(one) % 1000}")
@pytest.mark.parametrize("params", [{}, {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}, {"sigmoid": 2}])
def test_graph_and_offline_probabilities_are_the_same_bits(calibrator, params):
    booster = make_booster(**params)
    graph = export_lightgbm(booster, calibrator=calibrator)
    for count in (1, 7, 64, 4_000):
        rows = make_rows(count)
        expected = calibrator.apply(booster.predict(rows.astype(np.float64), raw_score=True)).astype(np.float32)
        np.testing.assert_array_equal(run(graph, rows)[:, 0], expected)
        np.testing.assert_array_equal(run(export_tensors(booster, calibrator=calibrator), rows)[:, 0], expected)
    report = verify_export(booster, graph, make_rows(500), run=run, calibrator=calibrator)
    assert (report.leaf_mismatches, report.max_abs_diff) == (0, 0.0)


def test_raw_scores_far_outside_the_curve_are_its_ends():
    curve = isotonic(40)
    values = curve.apply(np.array([-1e300, -np.inf, np.inf, 1e300]))
    np.testing.assert_array_equal(values, [curve.values[0]] * 2 + [curve.values[-1]] * 2)
    np.testing.assert_array_equal(Platt(2.0, 0.0).apply(np.array([-1e4, 1e4, 0.0])), [0.0, 1.0, 0.5])


def test_a_calibrated_forest_without_trees_is_a_constant():
    booster = make_booster(rounds=1, min_data_in_leaf=3_000)
    for calibrator in CALIBRATORS:
        rows = make_rows(5)
        expected = calibrator.apply(booster.predict(rows.astype(np.float64), raw_score=True)).astype(np.float32)
        for export in (export_lightgbm, export_tensors):
            np.testing.assert_array_equal(run(export(booster, calibrator=calibrator), rows)[:, 0], expected)


def test_several_outputs_and_float32_sums_are_refused():
    with pytest.raises(InvalidInputError, match="one output"):
        export_lightgbm(make_booster(), calibrator=Platt(1.0, 0.0), precision=Precision.FLOAT32)


@pytest.mark.parametrize("calibrator", [Platt(0.5, 0.25), isotonic(5), None])
def test_a_calibrator_survives_json(calibrator):
    assert calibrator_from_json(calibrator.to_json() if calibrator else None) == calibrator


@pytest.mark.parametrize(
    "body", [{"method": "beta"}, {"method": "platt", "slope": -1.0, "offset": 0.0}, {"method": "isotonic"}]
)
def test_json_that_is_no_calibrator_is_refused(body):
    with pytest.raises(CorruptedError, match="calibrat"):
        calibrator_from_json(body)


@pytest.mark.parametrize(("knots", "values"), [((1.0,), (0.5,)), ((2.0, 1.0), (0.1, 0.2)), ((1.0, 2.0), (0.3, 0.2))])
def test_a_curve_that_does_not_rise_is_refused(knots, values):
    with pytest.raises(InvalidInputError, match="isotonic"):
        Isotonic(knots, values)


def test_a_platt_curve_keeps_the_form_that_the_native_runtime_recognises():
    from headrace.serving.runtime.forest import open_forest

    booster, rows = make_booster(), make_rows(1_000)
    if open_forest(export_lightgbm(booster), "plain") is None:
        pytest.skip("the native extension is not built")
    for calibrator in CALIBRATORS[:3]:
        graph = export_lightgbm(booster, calibrator=calibrator)
        forest = open_forest(graph, "calibrated")
        assert forest is not None
        np.testing.assert_array_equal(forest.run((rows,))[0], run(graph, rows))
