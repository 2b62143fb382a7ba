"""Contributions add up to raw scores, and name the features that matter with their direction."""

from __future__ import annotations

import json

import numpy as np
import pytest

from headrace.core.errors import InvalidInputError
from headrace.training import TrainingSettings, train
from headrace.training.explaining import contributions, explain_row, summarise_effects


@pytest.fixture(scope="module")
def trained_on(request):
    from headrace.training import TrainingData
    from headrace.training.split import SplitMasks

    rng = np.random.default_rng(71)
    values = rng.normal(size=(3_000, 4)).astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    known = np.nan_to_num(values)
    labels = rng.random(3_000) < 1 / (1 + np.exp(-2 * known[:, 0] + known[:, 1]))
    part = np.arange(3_000) % 3
    masks = SplitMasks(part == 0, part == 1, part == 2)
    data = TrainingData(values, ("up", "down", "idle", "more"), labels, masks)
    return data, train(data, TrainingSettings(rounds=40, params={"min_child_samples": 5}))


def test_base_and_contributions_add_up_to_the_raw_score(trained_on):
    data, trained = trained_on
    found = contributions(trained, data.values)
    added = found.base[None, :] + found.values.sum(axis=2)
    np.testing.assert_allclose(added[:, 0], trained.raw_scores(data.values), rtol=1e-10, atol=1e-12)
    assert found.values.shape == (3_000, 1, 4)


def test_a_row_is_explained_largest_contribution_first(trained_on):
    data, trained = trained_on
    told = explain_row(trained, data.values[7], top=2)
    everything = explain_row(trained, data.values[7])
    assert told["score"] == pytest.approx(float(trained.predict(data.values[7:8])[0]))
    sizes = [abs(one["contribution"]) for one in everything["contributions"]]
    assert sizes == sorted(sizes, reverse=True)
    total = told["base"] + sum(one["contribution"] for one in told["contributions"]) + told["others"]
    assert total == pytest.approx(told["raw_score"])
    assert 1 / (1 + np.exp(-told["raw_score"])) == pytest.approx(told["score"])
    json.dumps(everything, allow_nan=False)


def test_effects_have_a_size_and_a_direction(trained_on):
    data, trained = trained_on
    effects = summarise_effects(trained, data.values, rows=800)
    assert [one.name for one in effects[:2]] == ["up", "down"]
    assert effects[0].direction > 0.9
    assert effects[1].direction < -0.9
    assert all(np.isfinite(one.when_missing) for one in effects)
    assert effects == summarise_effects(trained, data.values, rows=800)
    json.dumps([one.to_json() for one in effects], allow_nan=False)


def test_no_rows_have_no_contributions(trained_on):
    data, trained = trained_on
    assert contributions(trained, data.values[:0]).values.shape == (0, 1, 4)
    assert summarise_effects(trained, data.values[:0])[0].mean_abs == 0.0


def test_linear_leaves_are_refused(trained_on):
    import dataclasses

    _, trained = trained_on
    linear = dataclasses.replace(trained, settings=TrainingSettings(params={"linear_tree": True}))
    with pytest.raises(InvalidInputError, match="linear"):
        contributions(linear, np.zeros((1, 4), np.float32))
