"""Tensor operations answer as the tree graph does, in any batch; the other cases are judged beside the tree graph's."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from headrace.core.errors import InvalidInputError, UnimplementedError
from headrace.packaging.export import (
    export_lightgbm,
    export_raw_score,
    export_tensor_leaf_index,
    export_tensor_raw_score,
    export_tensors,
)
from headrace.packaging.export.tensors import Strategy, splits

KINDS = {
    "binary": {"objective": "binary", "rounds": 40},
    "one tree": {"objective": "binary", "rounds": 1},
    "stumps": {"objective": "binary", "num_leaves": 2, "rounds": 9},
    "multiclass": {"objective": "multiclass", "num_class": 5, "rounds": 8},
    "poisson": {"objective": "poisson", "rounds": 8},
    "linear": {"linear_tree": True, "rounds": 4},
    "average": {"boosting": "rf", "bagging_fraction": 0.7, "bagging_freq": 1, "objective": "binary", "rounds": 12},
    "categories": {"rounds": 12, "cat_smooth": 1, "min_data_per_group": 5, "max_cat_to_onehot": 1},
}


@pytest.fixture(scope="module")
def boosters(table, train):
    """A booster by kind."""
    values, signal = table()
    with_categories = values.copy()
    with_categories[:, 0] = np.random.default_rng(0).integers(0, 50, len(values))
    labels = {
        "multiclass": np.digitize(signal, [-2, -1, 0, 1]),
        "poisson": np.exp(0.2 * signal),
        "linear": signal,
        "categories": signal + np.cos(17 * with_categories[:, 0]),
    }
    made = {}
    for kind, parameters in KINDS.items():
        is_set = kind == "categories"
        data = {"categorical_feature": [0]} if is_set else {}
        label = labels.get(kind, signal > 0).astype(float)
        made[kind] = train(dict(parameters), with_categories if is_set else values, label, **data)
    return made


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("kind", KINDS)
def test_every_batch_has_the_bits_of_the_tree_graph(kind, strategy, boosters, hostile_rows):
    """0, 1, 7, 64 and 1,000 rows: predictions and raw scores equal in every bit."""
    booster = boosters[kind]
    rows = hostile_rows(booster.model_to_string(), 1000)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for trees, tensors in ((export_lightgbm, export_tensors), (export_raw_score, export_tensor_raw_score)):
        sessions = [
            onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            for model in (trees(booster), tensors(booster, strategy=strategy))
        ]
        for size in (0, 1, 7, 64, 1000):
            expected, actual = (session.run(None, {"features": rows[:size]})[0] for session in sessions)
            np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.mark.parametrize("strategy", Strategy)
def test_trees_of_many_leaves_and_thresholds_are_exact(strategy, table, train, hostile_rows, run):
    """300 leaves a tree and more than 255 thresholds a column, by both forms."""
    values, signal = table(n_rows=4000)
    booster = train({"num_leaves": 300, "min_data_in_leaf": 1, "max_bin": 1000, "rounds": 6}, values, signal)
    forest_text = booster.model_to_string()
    assert "num_leaves=300" in forest_text
    rows = hostile_rows(forest_text, 4000)
    wide = rows.astype(np.float64)
    leaf = run(export_tensor_leaf_index(booster, strategy=strategy), rows)
    assert np.array_equal(leaf, booster.predict(wide, pred_leaf=True))
    raw = run(export_tensor_raw_score(booster, strategy=strategy), rows)
    assert np.array_equal(raw[:, 0], booster.predict(wide, raw_score=True, num_threads=1))


def test_the_same_model_gives_the_same_bytes_and_tells_what_it_needs(boosters):
    """Two exports are equal; strategy, size and memory a row stand in the graph's properties."""
    model = export_tensors(boosters["binary"])
    assert model == export_tensors(boosters["binary"].model_to_string(num_iteration=-1))
    told = {one.key: one.value for one in onnx.load_from_string(model).metadata_props}
    assert told["headrace.strategy"] in {"traversal", "paths"}
    assert told["headrace.trees"] == "40"
    assert int(told["headrace.depth"]) >= 4
    assert 0 < int(told["headrace.bytes_per_row"]) < int(told["headrace.moved_bytes_per_row"])
    assert int(told["headrace.most_rows"]) <= 2**24 // 40
    assert int(told["headrace.operators"]) > 10


def test_sets_too_large_for_look_up_tables_are_refused(boosters, monkeypatch):
    """A forest whose sets would fill the memory keeps to the CPU, and says why."""
    monkeypatch.setattr(splits, "FLAGS_LIMIT", 60)
    with pytest.raises(UnimplementedError, match="more than 60 entries"):
        export_tensors(boosters["categories"])


def test_path_matrices_of_huge_trees_are_refused(table, train):
    """Numbers beyond 2,047 would not be exact in TF32."""
    values, signal = table(n_rows=6000)
    booster = train({"num_leaves": 1500, "min_data_in_leaf": 1, "rounds": 1}, values, signal)
    assert booster.num_trees() == 1
    with pytest.raises(InvalidInputError, match="too many leaves"):
        export_tensors(booster, strategy=Strategy.PATHS)
    assert b"traversal" in export_tensors(booster)


def test_no_tree_operator_is_named_in_the_bytes(boosters):
    """The runtime looks for the operator's name before it opens a graph on CUDA."""
    assert b"TreeEnsemble" not in export_tensors(boosters["categories"])
