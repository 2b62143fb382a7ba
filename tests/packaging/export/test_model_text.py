"""Reading model texts, whole and damaged."""

from __future__ import annotations

import re

import numpy as np
import pytest

from headrace.core.errors import InvalidInputError, UnimplementedError
from headrace.packaging.export import export_lightgbm
from headrace.packaging.export.links import parse_objective
from headrace.packaging.export.model_text import parse_model


@pytest.fixture(scope="module")
def text(table, train):
    values, signal = table(n_rows=500)
    booster = train({"objective": "binary", "rounds": 3, "num_leaves": 4}, values, (signal > 0).astype(float))
    return booster.model_to_string()


def test_forest_holds_what_the_text_says(text):
    """Names, objective and trees come back; every leaf and node is counted."""
    forest = parse_model(text)
    assert forest.feature_names == tuple(f"Column_{i}" for i in range(8))
    assert forest.objective == "binary sigmoid:1"
    assert (forest.iterations, forest.outputs, forest.average, forest.is_linear) == (3, 1, False, False)
    assert [(tree.n_nodes, tree.n_leaves) for tree in forest.trees] == [(3, 4)] * 3


def test_line_ends_of_another_system_are_read(text):
    """A text that went through a Windows editor is the same model."""
    assert export_lightgbm(text.replace("\n", "\r\n")) == export_lightgbm(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: "", "not a LightGBM model text"),
        (lambda _: "hello", "not a LightGBM model text"),
        (lambda t: t.replace("version=v4", "version=v9"), "version v3 or v4"),
        (lambda t: t[: t.index("right_child=") + 14], "'right_child'"),
        (lambda t: t.replace("feature_names=", "names="), "no 'feature_names'"),
        (lambda t: t.replace("Column_7", ""), "7 feature names"),
        (lambda t: t.replace("num_tree_per_iteration=1", "num_tree_per_iteration=2"), "3 trees for 2 outputs"),
        (lambda t: t.replace("left_child=1", "left_child=x"), "no number"),
        (lambda t: t.replace("left_child=1", "left_child=0"), "one earlier parent"),
        (lambda t: re.sub("split_feature=[0-9]", "split_feature=8", t, count=1), "feature 8"),
    ],
)
def test_damaged_text_is_refused_with_its_place(text, damage, message):
    """Nothing is exported from a text that contradicts itself."""
    damaged = damage(text)
    assert damaged != text
    with pytest.raises(InvalidInputError, match=message):
        parse_model(damaged)


def test_objective_parameters_and_flags():
    """`key:value` words are parameters, the others flags, nothing at all is a custom objective."""
    assert parse_objective("multiclassova num_class:3 sigmoid:1.5").parameters == {"num_class": 3.0, "sigmoid": 1.5}
    assert parse_objective("regression sqrt").flags == {"sqrt"}
    assert parse_objective("").name == "custom"


def test_unknown_objective_is_refused_with_the_nearest_known(text):
    """A transformation is never guessed."""
    with pytest.raises(UnimplementedError, match="'tweedy'") as caught:
        export_lightgbm(text.replace("objective=binary sigmoid:1", "objective=tweedy"))
    assert caught.value.hint == "did you mean 'tweedie'?"


def test_custom_objective_exports_raw_scores(table, train, run):
    """Without a known objective predict returns raw scores, and so does the model."""
    values, signal = table(n_rows=500)

    def squared(scores, data):
        return scores - data.get_label(), np.ones_like(scores)

    booster = train({"objective": squared, "rounds": 3}, values, signal)
    rows = values.astype(np.float32)
    expected = booster.predict(rows.astype(np.float64)).astype(np.float32)
    assert np.array_equal(run(export_lightgbm(booster), rows)[:, 0], expected)
