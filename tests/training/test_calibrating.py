"""Calibrators are fitted to the validation part alone, and agree with scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from headrace.core.errors import DefinitionError, FailedCheckError
from headrace.evaluation.task import Task
from headrace.training.calibrating import calibrated, check_method, fit_isotonic, fit_platt


@pytest.fixture
def scored():
    rng = np.random.default_rng(3)
    raw = rng.normal(-0.5, 1.4, 8_000)
    labels = rng.random(8_000) < 1 / (1 + np.exp(-(0.6 * raw - 0.3)))
    return raw, labels


def test_platt_finds_the_curve_that_logistic_regression_finds(scored):
    raw, labels = scored
    found = fit_platt(raw, labels, np.ones(raw.size))
    oracle = LogisticRegression(C=1e9, tol=1e-10).fit(raw[:, None], labels)
    assert found.slope == pytest.approx(oracle.coef_[0, 0], rel=2e-3)  # Platt pulls targets in by 1 in 2,000
    assert found.slope * found.offset == pytest.approx(oracle.intercept_[0], abs=2e-3)


def test_weights_count_rows(scored):
    raw, labels = scored
    weights = np.random.default_rng(4).integers(1, 4, raw.size)
    found = fit_platt(raw, labels, weights.astype(np.float64))
    repeated = fit_platt(np.repeat(raw, weights), np.repeat(labels, weights), np.ones(weights.sum()))
    assert found.slope == pytest.approx(repeated.slope, rel=1e-6)
    assert found.offset == pytest.approx(repeated.offset, rel=1e-6)


def test_separable_rows_have_a_finite_curve():
    raw = np.concatenate([np.linspace(-3, -1, 100), np.linspace(1, 3, 100)])
    found = fit_platt(raw, raw > 0, np.ones(200))
    assert 0 < found.slope < 1e3
    low, high = found.apply(np.array([-2.0, 2.0]))
    assert low < 0.05
    assert high > 0.95


def test_a_model_that_ranks_backwards_is_not_calibrated(scored):
    raw, labels = scored
    with pytest.raises(FailedCheckError, match="backwards"):
        fit_platt(-raw, labels, np.ones(raw.size))


def test_isotonic_answers_as_scikit_learn(scored):
    raw, labels = scored
    oracle = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(raw, labels)
    found = fit_isotonic(raw, labels, np.ones(raw.size))
    asked = np.random.default_rng(5).normal(-0.5, 2.0, 5_000)
    np.testing.assert_allclose(found.apply(asked), oracle.predict(asked), atol=1e-12)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_a_trained_model_is_calibrated_by_its_validation_part_and_stored(method, make_data, tmp_path):
    from headrace.training import load_trained, save_trained, train
    from headrace.training.settings import TrainingSettings

    data = make_data()
    plain = train(data, TrainingSettings(rounds=20, params={"min_child_samples": 5}))
    better = calibrated(plain, data, method)
    assert better.calibrator is not None
    assert calibrated(plain, data, "") is plain
    save_trained(better, tmp_path / "model")
    again = load_trained(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(data.values), better.predict(data.values))
    rows = data.split.valid
    assert better.predict(data.values[rows]).mean() == pytest.approx(data.labels[rows].mean(), abs=0.01)


def test_methods_and_tasks_that_have_no_calibration_are_refused():
    check_method("platt", Task.BINARY)
    with pytest.raises(DefinitionError, match="platt, isotonic"):
        check_method("beta", Task.BINARY)
    with pytest.raises(DefinitionError, match="binary models"):
        check_method("platt", Task.REGRESSION)
