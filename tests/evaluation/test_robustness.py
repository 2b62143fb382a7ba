"""Broken inputs cost what they should: the feature that matters most, and nothing where nothing is broken."""

from __future__ import annotations

import json

import numpy as np
import pytest

from headrace.evaluation import Sample
from headrace.evaluation.perturbations import (
    Inputs,
    RobustnessSettings,
    beyond_range,
    delayed,
    measured_error,
    perturbations,
)
from headrace.evaluation.robustness import examine_robustness

NAMES = ("strong", "weak", "idle")
SETTINGS = RobustnessSettings(features=3, replicates=200)


def predict(values):
    known = np.nan_to_num(values.astype(np.float64))
    return 1 / (1 + np.exp(-2 * known[:, 0] - 0.5 * known[:, 1]))


@pytest.fixture
def rows():
    rng = np.random.default_rng(41)
    values = np.round(rng.normal(size=(5_000, 3)), 1).astype(np.float32)
    scores = predict(values)
    labels = rng.random(5_000) < scores
    sample = Sample(labels, scores, np.sort(rng.integers(0, 50, 5_000)), 0.5)
    return Inputs(values, NAMES, NAMES), sample


def test_the_strongest_feature_is_missed_most(rows):
    inputs, sample = rows
    found = examine_robustness(predict, inputs, sample, "auc", SETTINGS)
    assert (found.damages[0].kind, found.damages[0].feature) == ("dropped", "strong")
    assert found.damages[0].drop.low > 0.1
    by_name = {(one.kind, one.feature): one.drop for one in found.damages}
    assert by_name["dropped", "strong"].value > by_name["dropped", "weak"].value > 0
    assert by_name["dropped", "strong"].value > by_name["nulls", "strong"].value > 0
    idle = by_name["dropped", "idle"]
    assert (idle.value, idle.low, idle.high) == (0.0, 0.0, 0.0)
    assert abs(by_name["noise", ""].value) < 0.01
    assert len(found.damages) == 10
    json.dumps(found.to_json(), allow_nan=False)


def test_losses_count_as_drops_too(rows):
    inputs, sample = rows
    found = examine_robustness(predict, inputs, sample, "log_loss", SETTINGS)
    assert found.damages[0].feature == "strong"
    assert found.damages[0].drop.low > 0


def test_a_sample_of_rows_keeps_every_block(rows):
    inputs, sample = rows
    found = examine_robustness(predict, inputs, sample, "auc", RobustnessSettings(features=1, rows=700, replicates=50))
    assert found.rows == 700
    assert found.damages[0].drop.blocks == 50


def test_inputs_are_not_written_to(rows):
    inputs, _ = rows
    before = inputs.values.copy()
    for one in perturbations(inputs, SETTINGS):
        assert not np.array_equal(one.apply(), before, equal_nan=True)
    np.testing.assert_array_equal(inputs.values, before)


def test_measured_errors_are_half_a_step():
    assert measured_error(np.array([0.5, 1.0, np.nan, 2.0], np.float32)) == 0.25
    assert measured_error(np.array([3.0, 3.0], np.float32)) == 0.0
    assert measured_error(np.random.default_rng(0).random(50_000).astype(np.float32)) == 0.0


def test_out_of_range_is_above_everything_seen():
    assert beyond_range(np.array([1.0, 3.0, np.inf, np.nan], np.float32), 3.0) == 9.0
    assert beyond_range(np.array([2.0, 2.0], np.float32), 3.0) == 5.0
    assert beyond_range(np.array([np.nan], np.float32), 3.0) == 0.0


def test_delayed_values_are_the_entity_s_latest_old_enough():
    rng = np.random.default_rng(42)
    times, entities = rng.integers(0, 1_000, 400), rng.integers(0, 7, 400)
    values = np.arange(400, dtype=np.float32)[:, None]
    found = delayed(values, entities, times, 60)[:, 0]
    for row in range(400):
        old = np.flatnonzero((entities == entities[row]) & (times <= times[row] - 60))
        if not old.size:
            assert np.isnan(found[row])
        else:
            assert times[int(found[row])] == times[old].max()
            assert entities[int(found[row])] == entities[row]
    assert delayed(values[:0], entities[:0], times[:0], 60).shape == (0, 1)
