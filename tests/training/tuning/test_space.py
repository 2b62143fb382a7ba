"""The search space: defaults that follow the rows, the user's own ranges, and what is refused."""

from __future__ import annotations

import pytest

from headrace.core.errors import DefinitionError
from headrace.training import TrainingSettings
from headrace.training.tuning import Choice, FloatRange, IntRange, Tuning, build_space

BINARY = TrainingSettings()


def test_defaults_follow_the_rows():
    few, many = (build_space({}, BINARY, rows).ranges for rows in (1_000, 1_000_000))
    assert few["num_leaves"] == IntRange(4, 20, log=True)
    assert many["num_leaves"] == IntRange(4, 255, log=True)
    assert many["min_child_samples"] == IntRange(50, 10_000, log=True)


@pytest.mark.parametrize(
    ("objective", "has", "lacks"),
    [
        ("binary", "min_split_gain", "lambdarank_truncation_level"),
        ("regression", "path_smooth", "min_split_gain"),
        ("lambdarank", "lambdarank_truncation_level", "min_split_gain"),
    ],
)
def test_defaults_follow_the_objective(objective, has, lacks):
    ranges = build_space({}, TrainingSettings(objective=objective), 10_000).ranges
    assert has in ranges
    assert lacks not in ranges


def test_what_bins_depend_on_is_not_tuned_unless_asked():
    assert build_space({}, BINARY, 10_000).of_binning == ()
    assert build_space({"max_bin": Choice(63, 255)}, BINARY, 10_000).of_binning == ("max_bin",)


def test_a_range_of_the_users_takes_the_place_of_the_default_under_any_of_its_names():
    space = build_space({"min_data_in_leaf": IntRange(5, 9), "lambda_l1": None}, BINARY, 10_000)
    assert space.ranges["min_data_in_leaf"] == IntRange(5, 9)
    assert not {"min_child_samples", "lambda_l1"} & space.ranges.keys()


def test_the_nearest_point_holds_the_projects_values_and_lightgbms_where_it_sets_none():
    space = build_space({}, BINARY, 10_000)
    point = space.nearest({"num_leaves": 1_000, "shrinkage_rate": 0.05, "bagging_fraction": 0.5})
    assert point["num_leaves"] == space.ranges["num_leaves"].high
    assert point["learning_rate"] == 0.05
    assert point["bagging_fraction"] == 1.0  # without a frequency nothing is drawn
    assert point["min_child_samples"] == 20
    assert space.contains(point)


def test_a_trials_parameters_take_the_place_of_the_projects_under_any_name():
    space = build_space({}, BINARY, 10_000)
    settled = space.settle({"min_data_in_leaf": 7, "max_depth": 5}, {"min_child_samples": 9, "bagging_fraction": 0.5})
    assert settled == {"max_depth": 5, "min_child_samples": 9, "bagging_fraction": 0.5, "bagging_freq": 1}


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: build_space({"num_leafs": IntRange(2, 9)}, BINARY, 100), "LightGBM has no parameter 'num_leafs'"),
        (lambda: build_space({"seed": IntRange(2, 9)}, BINARY, 100), "'seed' cannot be tuned: it is set by Headrace"),
        (lambda: build_space({"n_estimators": IntRange(2, 9)}, BINARY, 100), "trees are counted by early stopping"),
        (lambda: build_space({"max_bin": IntRange(2, 9)}, BINARY, 100), "give a choice of a few"),
        (lambda: build_space({"num_leaves": 31}, BINARY, 100), "'num_leaves' is 31; an IntRange"),
        (lambda: build_space(dict.fromkeys(build_space({}, BINARY, 9).ranges), BINARY, 9), "space is empty"),
        (lambda: IntRange(9, 2), r"IntRange\(9, 2\) is empty"),
        (lambda: IntRange(2, 2), "is empty"),
        (lambda: FloatRange(0, 1, log=True), "a logarithm needs ends above 0"),
        (lambda: FloatRange(0, float("inf")), "ends must be finite"),
        (lambda: IntRange(0.5, 2), "ends must be whole numbers"),
        (lambda: Choice(1), "at least two values"),
        (lambda: Tuning(trials=-1), "must be at least 0"),
        (lambda: Tuning(pruner="mean"), "pruner 'mean' is not known; allowed: median, hyperband, none"),
        (lambda: Tuning(latency_p99_us=0), "target latency_p99_us is 0; it must be above 0"),
        (lambda: Tuning(pruner="hyperband", size_bytes=9), "compares with every trial"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_words(declare, says):
    with pytest.raises(DefinitionError, match=says):
        declare()


def test_a_misspelled_parameter_is_answered_with_the_nearest():
    with pytest.raises(DefinitionError) as refused:
        build_space({"num_leafs": IntRange(2, 9)}, BINARY, 100)
    assert refused.value.hint == "did you mean 'num_leaf'?" or "num_leaves" in str(refused.value.hint)
