"""Every objective of LightGBM's: what it learns from, what watches it, and trees that are LightGBM's own."""

from __future__ import annotations

import dataclasses

import lightgbm
import numpy as np
import pytest

from headrace.core.errors import DefinitionError, FailedCheckError, InvalidInputError
from headrace.evaluation.measures import value_of
from headrace.evaluation.task import Question, Task
from headrace.training import OBJECTIVES, Metric, TrainingSettings, load_trained, refit, save_trained, train

FEW = {"num_leaves": 15}


def settings_of(objective, **changes):
    several = OBJECTIVES[objective].task is Task.MULTICLASS
    given = {"params": FEW, "rounds": 20, "early_stopping_rounds": 5, "threads": 1, "n_classes": 3 if several else 1}
    return TrainingSettings(objective=objective, **(given | changes))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_trees_are_those_of_lightgbm_itself(make_data, objective):
    data = make_data(objective=objective)
    ours = train(data, settings_of(objective, early_stopping_rounds=0))
    rows = np.flatnonzero(data.split.train)
    sizes = (
        np.diff(np.flatnonzero(np.diff(data.groups[rows], prepend=-1, append=-1))) if data.groups is not None else None
    )
    parameters = FEW | {"objective": objective, "num_threads": 1, "seed": 0, "deterministic": True, "verbosity": -1}
    parameters |= {"force_row_wise": True, "feature_pre_filter": False}
    if OBJECTIVES[objective].task is Task.MULTICLASS:
        parameters["num_class"] = 3
    dataset = lightgbm.Dataset(data.values[rows], data.labels[rows].astype(np.float32), group=sizes)
    bare = lightgbm.train(parameters, dataset, num_boost_round=20)
    np.testing.assert_array_equal(ours.predict(data.values), bare.predict(data.values))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_stored_model_and_a_refit_answer_in_the_same_shape(make_data, tmp_path, objective):
    data = make_data(rows=2_000, objective=objective)
    trained = train(data, settings_of(objective))
    save_trained(trained, tmp_path / "model")
    loaded = load_trained(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(data.values), trained.predict(data.values))
    assert loaded.to_json() == trained.to_json()
    assert refit(data, settings_of(objective), 3).predict(data.values).shape == trained.predict(data.values).shape


@pytest.mark.parametrize(
    ("objective", "metric", "question"),
    [
        ("regression", "rmse", Question(Task.REGRESSION)),
        ("regression_l1", "mae", Question(Task.REGRESSION)),
        ("quantile", "pinball", Question(Task.REGRESSION, quantile=0.8)),
        ("multiclass", "log_loss", Question(Task.MULTICLASS, classes=("a", "b", "c"))),
        ("lambdarank", "ndcg@5", Question(Task.RANKING, at=5)),
        ("binary", "log_loss", Question()),
        ("binary", "average_precision", Question()),
    ],
)
def test_what_is_watched_is_the_evaluation_s_own_figure(make_data, objective, metric, question):
    data = make_data(objective=objective)
    params = FEW | ({"alpha": 0.8} if objective == "quantile" else {})
    trained = train(data, settings_of(objective, metric=metric, params=params))
    rows = data.split.valid
    queries = data.groups[rows] if data.groups is not None else None
    found = value_of(question, metric, data.labels[rows], trained.predict(data.values[rows]), queries)
    assert trained.best_value == pytest.approx(found, rel=1e-6)


def test_a_metric_of_one_s_own_is_watched_and_decides_when_training_ends(make_data):
    def share_within_one(labels, predictions):
        return float((np.abs(labels - predictions) < 1).mean())

    data = make_data(objective="regression")
    metric = Metric("within_one", share_within_one, higher_is_better=True)
    trained = train(data, settings_of("regression", metric=metric, rounds=40))
    rows = data.split.valid
    assert trained.best_value == share_within_one(data.labels[rows], trained.predict(data.values[rows]))
    assert trained.best_value == max(point.value for point in trained.curve)
    other = Metric("within_one", np.corrcoef, higher_is_better=True)
    assert metric.code != other.code, "another function is another definition"


def test_several_classes_are_watched_by_a_metric_of_one_s_own(make_data):
    def accuracy(labels, probabilities):
        assert probabilities.shape == (labels.size, 3)
        return float((probabilities.argmax(axis=1) == labels).mean())

    data = make_data(objective="multiclass")
    trained = train(data, settings_of("multiclass", metric=Metric("accuracy", accuracy)))
    rows = data.split.valid
    assert trained.best_value == accuracy(data.labels[rows], trained.predict(data.values[rows]))


def test_a_metric_read_from_a_stored_model_cannot_be_trained_with(make_data, tmp_path):
    data = make_data(objective="regression")
    metric = Metric("largest", lambda labels, predictions: float(np.abs(labels - predictions).max()), False)
    save_trained(train(data, settings_of("regression", metric=metric)), tmp_path / "model")
    with pytest.raises(InvalidInputError, match="metric 'largest' has no function"):
        train(data, load_trained(tmp_path / "model").settings)


@pytest.mark.parametrize("sign", [1, -1])
def test_predictions_follow_a_monotone_feature_in_its_direction(make_data, sign):
    data = make_data(objective="regression")
    trained = train(data, settings_of("regression", monotone={"feature 3": sign, "feature 0": sign}))
    grid = np.repeat(data.values[:50], 21, axis=0)
    grid[:, 0] = np.tile(np.linspace(-3, 3, 21, dtype=np.float32), 50)
    steps = np.diff(trained.predict(grid).reshape(50, 21), axis=1) * sign
    assert (steps >= -1e-12).all()


def test_features_of_different_groups_never_meet_on_a_path(make_data):
    data = make_data(objective="regression")
    groups = [["feature 0", "feature 3"], ["feature 1", "feature 2"]]
    trained = train(data, settings_of("regression", interactions=groups))
    together = {frozenset(path) for tree in trained.booster.dump_model()["tree_info"] for path in paths(tree)}
    allowed = [{0, 3}, {1, 2}, {4}]
    assert all(any(path <= group for group in allowed) for path in together)
    assert any(len(path) == 2 for path in together)


def paths(tree, above=()):
    node = tree.get("tree_structure", tree)
    if "split_feature" not in node:
        yield above
        return
    for side in ("left_child", "right_child"):
        yield from paths(node[side], (*above, node["split_feature"]))


def test_class_weights_are_row_weights(make_data):
    data = make_data()
    weighted = dataclasses.replace(data, weights=np.where(data.labels, 3.0, 1.0))
    watched = {"metric": "log_loss", "early_stopping_rounds": 0}
    by_class = train(data, settings_of("binary", class_weight={1: 3.0}, **watched))
    by_row = train(weighted, settings_of("binary", **watched))
    np.testing.assert_array_equal(by_class.predict(data.values), by_row.predict(data.values))
    assert by_class.best_value != by_row.best_value, "classes weigh in training alone, rows in validation too"


def test_balanced_classes_weigh_the_same_in_sum(make_data):
    data = make_data(objective="multiclass")
    counts = np.bincount(data.labels[data.split.train])
    weights = {code: counts.sum() / (3 * rows) for code, rows in enumerate(counts)}
    balanced = train(data, settings_of("multiclass", class_weight="balanced"))
    np.testing.assert_array_equal(
        balanced.predict(data.values), train(data, settings_of("multiclass", class_weight=weights)).predict(data.values)
    )


def test_queries_in_any_order_of_rows_train_the_same_ranking(make_data):
    data = make_data(objective="lambdarank", rows=1_600)
    order = np.lexsort((np.arange(1_600) % 8, np.arange(1_600) // 8 // 20))
    mixed = dataclasses.replace(
        data,
        values=np.ascontiguousarray(data.values[order]),
        labels=data.labels[order],
        groups=data.groups[order],
        split=dataclasses.replace(
            data.split, **{part: getattr(data.split, part)[order] for part in ("train", "valid", "test")}
        ),
    )
    assert (np.diff(mixed.groups) < 0).any()
    first, second = (train(one, settings_of("lambdarank")) for one in (data, mixed))
    np.testing.assert_array_equal(first.predict(data.values), second.predict(data.values))


@pytest.mark.parametrize(
    ("objective", "labels", "text"),
    [
        ("poisson", np.full(4_000, -1.0), "takes labels that are finite and not negative; one is -1.0"),
        ("gamma", np.zeros(4_000), "finite and above 0"),
        ("cross_entropy", np.full(4_000, 1.5), "finite and from 0 to 1"),
        ("regression", np.full(4_000, np.inf), "takes labels that are finite; one is inf"),
        ("multiclass", np.full(4_000, 3, np.int64), "label 3 is not a class: they are 0 to 2"),
        ("lambdarank", np.full(4_000, 31, np.int64), "label 31 is not a grade of relevance: they are 0 to 30"),
        ("binary", np.zeros(4_000), "takes labels of bool, not float64"),
        ("regression", np.zeros(4_000, np.bool_), "takes labels of float64, not bool"),
    ],
)
def test_labels_that_an_objective_does_not_take_are_refused(make_data, objective, labels, text):
    made = make_data(objective=objective)
    mixed = labels.copy()
    mixed[0] = made.labels[0] if made.labels.dtype == labels.dtype else mixed[0]
    if made.labels.dtype == labels.dtype:
        mixed[: labels.size // 2] = made.labels[: labels.size // 2]
    with pytest.raises(InvalidInputError, match=text):
        train(dataclasses.replace(made, labels=mixed), settings_of(objective))


def test_a_ranking_without_queries_is_refused(make_data):
    with pytest.raises(InvalidInputError, match="groups are missing"):
        train(dataclasses.replace(make_data(objective="lambdarank"), groups=None), settings_of("lambdarank"))


@pytest.mark.parametrize("part", ["train", "valid"])
def test_a_part_with_one_kind_of_label_is_refused_by_name(make_data, part):
    data = make_data()
    labels = data.labels & ~getattr(data.split, part)
    with pytest.raises(FailedCheckError, match=f"the {part} part has .* fewer than two labels: all are False"):
        train(dataclasses.replace(data, labels=labels), settings_of("binary"))


def test_a_class_without_a_training_row_is_refused(make_data):
    data = make_data(objective="multiclass")
    labels = np.where(data.labels == 1, 0, data.labels)
    with pytest.raises(FailedCheckError, match="the train part has no row of 1 classes, the first is 1"):
        train(dataclasses.replace(data, labels=labels), settings_of("multiclass"))


def test_an_empty_part_is_refused(make_data):
    data = make_data()
    nothing = np.zeros(data.labels.size, np.bool_)
    with pytest.raises(FailedCheckError, match="the valid part has 0 rows"):
        train(data.with_split(dataclasses.replace(data.split, valid=nothing)), settings_of("binary"))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"objective": "poison"}, "no objective 'poison'; known: binary"),
        ({"objective": "regression", "metric": "auc"}, "objective 'regression' has no metric 'auc'"),
        ({"objective": "lambdarank", "metric": "ndcg@k"}, "has no metric 'ndcg@k'"),
        ({"objective": "multiclass"}, "objective 'multiclass' needs at least two classes, not 1"),
        ({"objective": "regression", "class_weight": "balanced"}, "class_weight is for classes"),
        ({"class_weight": "heavy"}, "class_weight 'heavy' is not known"),
        ({"monotone": {"feature 1": 2}}, "monotone: 'feature 1' is 2; 1 rises, -1 falls, 0 is free"),
        ({"params": {"num_class": 3}}, "its name here is the target's classes"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, text):
    with pytest.raises(DefinitionError, match=text):
        TrainingSettings(**changes)


@pytest.mark.parametrize("changes", [{"monotone": {"feature 9": 1}}, {"interactions": [["feature 0", "feature 9"]]}])
def test_a_constraint_on_a_feature_that_is_not_there_names_it(make_data, changes):
    with pytest.raises(DefinitionError, match="there is no feature 'feature 9'"):
        train(make_data(), settings_of("binary", **changes))
