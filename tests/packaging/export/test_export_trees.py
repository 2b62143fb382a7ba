"""Shapes of models: categories, linear leaves, forests, dart, constants, and parts of a model."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from headrace.packaging.export import export_leaf_index, export_lightgbm, membership

N_ROWS = 100_000
CATEGORICAL = {"max_cat_to_onehot": 4, "cat_smooth": 1, "min_data_per_group": 5, "cat_l2": 1, "max_cat_threshold": 200}
BAGGED = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}


def with_categories(values, signal, cardinality, n_columns=3):
    """Replace the first columns by category numbers, some missing, that move the signal."""
    generator = np.random.default_rng(cardinality)
    values, signal = values.copy(), signal.copy()
    for column in range(n_columns):
        number = generator.integers(0, cardinality, len(values))
        signal += generator.normal(size=cardinality)[number]
        values[:, column] = np.where(generator.random(len(values)) < 0.05, np.nan, number)
    return values, signal


@pytest.mark.slow
@pytest.mark.parametrize("missing", [{}, {"zero_as_missing": True}, {"use_missing": False}], ids=str)
@pytest.mark.parametrize("cardinality", [3, 8, 31, 32, 60, 1000])
def test_categorical_splits_are_exact(cardinality, missing, table, train, hostile_rows, exactness):
    """Members go left; NaN, negatives, fractions, strangers and infinities go where LightGBM sends them."""
    values, signal = with_categories(*table(), cardinality)
    booster = train(CATEGORICAL | missing, values, signal, categorical_feature=[0, 1, 2])
    text = booster.model_to_string()
    assert "cat_threshold=" in text
    rows = hostile_rows(text, N_ROWS)
    found = exactness(booster, rows, booster)
    assert (found.leaves, found.raw) == (0, 0.0)
    assert found.prediction <= 2e-6


@pytest.mark.slow
def test_sets_too_large_for_a_table_are_exact(table, train, hostile_rows, exactness, monkeypatch):
    """Where a feature's table would be too large, its nodes test membership themselves."""
    values, signal = with_categories(*table(), 60)
    booster = train(dict(CATEGORICAL), values, signal, categorical_feature=[0, 1, 2])
    rows = hostile_rows(booster.model_to_string(), N_ROWS)
    tabled = export_lightgbm(booster)
    monkeypatch.setattr(membership, "TABLE_LIMIT_BYTES", 0)
    assert export_lightgbm(booster) != tabled
    found = exactness(booster, rows, booster)
    assert (found.leaves, found.raw) == (0, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {"linear_tree": True},
        {"linear_tree": True, "use_missing": False, "boosting": "dart"},
        {"linear_tree": True, "objective": "multiclass", "num_class": 3, "rounds": 5},
        {"linear_tree": True, "linear_lambda": 0.1, "objective": "poisson"},
    ],
    ids=lambda p: "-".join(map(str, p.values())),
)
def test_linear_leaves_are_exact(parameters, table, train, hostile_rows, exactness):
    """Leaf models are summed in LightGBM's order, and a NaN among their features falls back to the plain value."""
    values, signal = table()
    label = {"multiclass": np.digitize(signal, [-1, 1]), "poisson": np.exp(0.2 * signal)}
    booster = train(dict(parameters), values, label.get(parameters.get("objective"), signal))
    text = booster.model_to_string()
    assert "is_linear=1" in text
    found = exactness(booster, hostile_rows(text, N_ROWS), booster)
    assert (found.leaves, found.raw) == (0, 0.0)
    assert found.prediction <= 2e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        BAGGED | {"objective": "binary"},
        BAGGED | {"objective": "multiclass", "num_class": 3},
        BAGGED | {"objective": "regression"},
        {"objective": "binary", "boosting": "dart", "drop_rate": 0.3},
        {"objective": "binary", "data_sample_strategy": "goss"},
        {"objective": "binary", "num_leaves": 2},
        {"objective": "binary", "extra_trees": True, "num_leaves": 63, "rounds": 100},
        {"objective": "regression", "monotone_constraints": [1, 0, 0, -1, 0, 0, 0, 0]},
    ],
    ids=lambda p: "-".join(map(str, p.values())),
)
def test_boosting_kind_is_exact(parameters, table, train, hostile_rows, exactness):
    """Averages, dropped trees and stumps change weights, not the way rows are routed."""
    values, signal = table()
    label = {"binary": signal > 0, "multiclass": np.digitize(signal, [-1, 1]), "regression": signal}
    booster = train(dict(parameters), values, label[parameters["objective"]].astype(float))
    found = exactness(booster, hostile_rows(booster.model_to_string(), N_ROWS), booster)
    assert (found.leaves, found.raw) == (0, 0.0)
    assert found.prediction <= 2e-6


@pytest.mark.parametrize(
    "parameters",
    [{"objective": "binary"}, {"objective": "multiclass", "num_class": 3}, {"linear_tree": True}, BAGGED],
    ids=lambda p: "-".join(map(str, p.values())),
)
def test_trees_of_one_leaf_are_constants(parameters, table, train, hostile_rows, exactness):
    """A model that found no split predicts its one value for every row."""
    values, signal = table()
    label = np.digitize(signal, [-1, 1]) if parameters.get("num_class") else (signal > 0).astype(float)
    booster = train(parameters | {"min_data_in_leaf": 10**6}, values, label)
    assert "num_leaves=1\n" in booster.model_to_string()
    found = exactness(booster, hostile_rows(booster.model_to_string(), 1000), booster)
    assert (found.leaves, found.raw) == (0, 0.0)
    assert found.prediction <= 2e-6


@pytest.mark.parametrize("objective", [{"objective": "binary"}, {"objective": "multiclass", "num_class": 3}], ids=str)
def test_model_without_trees_scores_zero(objective, table, hostile_rows, exactness):
    """A booster that was never updated has raw score 0 and its objective's value of that."""
    values, signal = table()
    settings = objective | {"verbose": -1}
    booster = lightgbm.Booster(settings, lightgbm.Dataset(values, (signal > 0).astype(float), params={"verbose": -1}))
    assert booster.num_trees() == 0
    found = exactness(booster, hostile_rows(booster.model_to_string(), 100), booster)
    assert (found.leaves, found.raw) == (0, 0.0)
    assert found.prediction <= 2e-6


@pytest.mark.parametrize("parameters", [BAGGED | {"objective": "binary"}, {"objective": "multiclass", "num_class": 3}])
@pytest.mark.parametrize("used", [(5, 3), (3, None), (50, None), (0, -1), (0, 0), (-3, 7), (0, 1000), (19, 5)])
def test_part_of_a_model_is_exact(parameters, used, table, train, hostile_rows, exactness):
    """start_iteration and num_iteration choose the trees that predict would choose, past the end as well."""
    values, signal = table()
    label = np.digitize(signal, [-1, 1]) if parameters.get("num_class") else (signal > 0).astype(float)
    booster = train(dict(parameters), values, label)
    rows = hostile_rows(booster.model_to_string(), 3000)
    found = exactness(booster, rows, booster, start_iteration=used[0], num_iteration=used[1])
    assert (found.leaves, found.raw) == (0, 0.0)
    assert found.prediction <= 2e-6


def test_best_iteration_is_the_default(table, train, hostile_rows, exactness, run):
    """Without num_iteration an early-stopped booster is exported up to its best iteration, as predict does."""
    values, signal = table()
    booster = train({}, values, signal)
    booster.best_iteration = 7
    rows = hostile_rows(booster.model_to_string(), 3000)
    assert run(export_leaf_index(booster), rows).shape == (3000, 7)
    assert exactness(booster, rows, booster).raw == 0.0
    assert exactness(booster, rows, booster, start_iteration=1, num_iteration=None).raw == 0.0


def test_model_text_is_accepted_as_it_is(table, train, hostile_rows, exactness):
    """A saved text gives the model that the booster gives."""
    values, signal = table()
    booster = train({}, values, signal)
    text = booster.model_to_string()
    found = exactness(text, hostile_rows(text, 3000), booster)
    assert (found.leaves, found.raw) == (0, 0.0)
