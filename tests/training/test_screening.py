"""Features that say nothing are named, and one that gives the target away stops the run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from headrace.core.errors import FailedCheckError
from headrace.evaluation.task import Task
from headrace.training import TrainingSettings, screen_features, train


def with_feature(data, values):
    changed = data.values.copy()
    changed[:, 4] = values
    return dataclasses.replace(data, values=changed)


def test_an_honest_matrix_has_nothing_to_tell(make_data):
    found = screen_features(make_data(), Task.BINARY)
    assert (found.empty, found.constant, found.leaking) == ((), (), {})
    found.require()


def test_empty_and_constant_features_are_named_and_harmless(make_data):
    empty = with_feature(make_data(), np.nan)
    assert screen_features(empty, Task.BINARY).empty == ("feature 4",)
    constant = with_feature(make_data(), 7.0)
    assert screen_features(constant, Task.BINARY).constant == ("feature 4",)
    for data in (empty, constant):
        trained = train(data, TrainingSettings(rounds=5, threads=1))
        assert trained.importance()["feature 4"] == 0.0


def test_a_feature_that_is_constant_only_after_training_is_still_constant(make_data):
    data = make_data()
    data.values[:, 4] = np.where(data.split.train, 7.0, data.values[:, 4])
    assert screen_features(data, Task.BINARY).constant == ("feature 4",)


@pytest.mark.parametrize(
    "disguise",
    [
        lambda labels, _: labels,
        lambda labels, _: 1 - labels,
        lambda labels, _: np.where(labels, np.nan, 3.0),
        lambda labels, rng: np.where(labels, rng.random(labels.size) + 2, rng.random(labels.size)),
        lambda labels, rng: np.where(labels, rng.choice([1.0, 3.0], labels.size), rng.choice([2.0, 4.0], labels.size)),
    ],
    ids=["itself", "turned", "missing where true", "beyond a threshold", "codes"],
)
def test_a_feature_equal_to_a_binary_target_is_named_in_any_disguise(make_data, disguise):
    data = make_data()
    leaking = with_feature(data, disguise(data.labels, np.random.default_rng(0)).astype(np.float32))
    found = screen_features(leaking, Task.BINARY)
    assert list(found.leaking) == ["feature 4"]
    with pytest.raises(FailedCheckError, match=r"the target leaks into 1 of the features: 'feature 4' \(100\.00%\)"):
        found.require()
    found.require(trusted=["feature 4"])


def test_a_target_of_numbers_is_found_in_a_feature_that_rises_with_it(make_data):
    data = make_data(objective="regression")
    leaking = with_feature(data, np.exp(data.labels / 10))
    assert list(screen_features(leaking, Task.REGRESSION).leaking) == ["feature 4"]
    assert screen_features(data, Task.REGRESSION).leaking == {}


def test_classes_are_found_in_a_code_for_them(make_data):
    data = make_data(objective="multiclass")
    leaking = with_feature(data, np.array([5.0, -1.0, 2.0])[data.labels])
    assert list(screen_features(leaking, Task.MULTICLASS).leaking) == ["feature 4"]


def test_a_rare_target_is_not_told_by_a_constant_guess(make_data):
    """One in a thousand: to guess the common class is right in 99.9 % of the rows, and tells nothing."""
    data = make_data()
    rare = dataclasses.replace(data, labels=np.random.default_rng(1).random(data.labels.size) < 0.001)
    assert screen_features(rare, Task.BINARY).leaking == {}
