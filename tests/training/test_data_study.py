"""More rows help until they do not, and rows with wrong labels are found to harm."""

from __future__ import annotations

import json

import numpy as np
import pytest

from headrace.evaluation import Sample
from headrace.evaluation.power_law import extrapolate
from headrace.training import TrainingData, TrainingSettings, train
from headrace.training.data_study import Study, learning_curve, leave_out
from headrace.training.split import SplitMasks


@pytest.fixture(scope="module")
def study():
    """Sixty days; the labels of the third month of training rows are turned round."""
    rng = np.random.default_rng(81)
    rows = 9_000
    days = np.sort(rng.integers(0, 90, rows))
    values = rng.normal(size=(rows, 6)).astype(np.float32)
    signal = values[:, 0] + values[:, 1] * values[:, 2] + 0.5 * values[:, 3]
    labels = rng.random(rows) < 1 / (1 + np.exp(-1.5 * signal))
    wrong = (days >= 20) & (days < 30)
    labels = np.where(wrong, ~labels, labels)
    masks = SplitMasks(days < 50, (days >= 50) & (days < 65), days >= 65)
    data = TrainingData(values, tuple("abcdef"), labels, masks)
    settings = TrainingSettings(rounds=60, early_stopping_rounds=10, params={"num_leaves": 15})
    whole = train(data, settings)
    test = np.ascontiguousarray(values[masks.test])
    sample = Sample(labels[masks.test], whole.predict(test), days[masks.test], 0.5)
    return Study(data, settings, whole, sample, test, "auc"), days


@pytest.mark.slow
def test_fewer_rows_are_worse_and_the_curve_says_by_how_much(study):
    what, days = study
    curve = learning_curve(what, days, shares=(0.1, 0.3, 0.6))
    assert [point.name for point in curve.points] == ["10% of days", "30% of days", "60% of days", "all rows"]
    rows = [point.rows for point in curve.points]
    assert rows == sorted(rows)
    assert curve.points[0].shortfall.low > 0
    assert curve.points[0].shortfall.value == pytest.approx(curve.points[-1].value - curve.points[0].value)
    assert "rows" in curve.to_json()["more"]["hint"]
    json.dumps(curve.to_json(), allow_nan=False)


@pytest.mark.slow
def test_a_harmful_source_is_one_the_model_is_better_without(study):
    what, days = study
    groups = np.array([f"days {day // 10 * 10}" for day in days])
    found = leave_out(what, groups)
    assert len(found) == 5
    worst = found[-1]
    assert worst.name == "days 20"
    assert worst.shortfall.high < 0
    assert leave_out(what, np.repeat("one", days.size)) == ()


def test_a_power_law_is_found_again():
    rows = np.array([1e4, 2e4, 4e4, 7e4, 1e5])
    values = 0.8 - 3.0 * rows**-0.4
    found = extrapolate(rows, values, np.repeat(values[:, None], 10, axis=1), more=100_000)
    assert found.gain.value == pytest.approx(3.0 * (1e5**-0.4 - 2e5**-0.4), rel=0.01)
    assert str(found).startswith("another 100,000 rows would bring about +0.00")


def test_a_flat_curve_is_said_to_be_flat():
    rng = np.random.default_rng(82)
    rows = np.array([1e4, 2e4, 4e4, 7e4, 1e5])
    noise = rng.normal(0, 1e-3, (5, 200))
    found = extrapolate(rows, np.full(5, 0.8), 0.8 + noise)
    assert str(found).startswith("flat: another 50,000 rows")
