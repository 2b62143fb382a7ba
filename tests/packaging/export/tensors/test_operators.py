"""CUDA has every operator that is written, for the types it is written for."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from headrace.core.errors import UnimplementedError
from headrace.packaging.calibrator import Isotonic, Platt
from headrace.packaging.export import export_lightgbm, export_tensor_leaf_index, export_tensor_raw_score, export_tensors
from headrace.packaging.export.tensors import Strategy, operators
from headrace.packaging.export.tensors.operators import CUDA_OPERATORS, find_unplaced, measure

OBJECTIVES = [
    {"objective": "binary"},
    {"objective": "multiclass", "num_class": 3},
    {"objective": "multiclassova", "num_class": 3},
    {"objective": "poisson"},
    {"objective": "cross_entropy_lambda"},
    {"objective": "regression", "reg_sqrt": True},
    {"objective": "regression", "linear_tree": True},
    {"objective": "binary", "boosting": "rf", "bagging_fraction": 0.7, "bagging_freq": 1},
    {"objective": "regression", "zero_as_missing": True},
]


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("parameters", OBJECTIVES, ids=lambda one: "-".join(map(str, one.values())))
def test_every_node_is_in_the_table(parameters, strategy, table, train):
    """Operator by operator, with the types of its inputs, whatever the objective."""
    values, signal = table(n_rows=500)
    values[:, 0] = np.random.default_rng(0).integers(0, 40, len(values))
    label = np.digitize(signal, [-1, 1]) if "num_class" in parameters else 1 / (1 + np.exp(-signal))
    label = (label > 0.5).astype(float) if parameters["objective"] == "binary" else label
    booster = train(parameters | {"rounds": 4}, values, label, categorical_feature=[0])
    for export in (export_tensors, export_tensor_raw_score, export_tensor_leaf_index):
        assert find_unplaced(onnx.load_from_string(export(booster, strategy=strategy))) == []


@pytest.mark.parametrize("calibrator", [Platt(0.8, 0.1), Isotonic((0.0, 0.5, 1.0), (0.1, 0.2, 0.9))], ids=["p", "i"])
def test_calibrators_are_in_the_table(calibrator, table, train):
    """Curves over raw scores use operators that CUDA has too."""
    values, signal = table(n_rows=500)
    booster = train({"objective": "binary", "rounds": 4}, values, (signal > 0).astype(float))
    assert find_unplaced(onnx.load_from_string(export_tensors(booster, calibrator=calibrator))) == []


def test_the_tree_operator_is_not(table, train):
    """What the whole exercise is for."""
    values, signal = table(n_rows=500)
    model = export_lightgbm(train({"objective": "binary", "rounds": 2}, values, (signal > 0).astype(float)))
    assert any(one.startswith("TreeEnsemble(") for one in find_unplaced(onnx.load_from_string(model)))


def graph_of(operator: str, element: int, *, axes_are_constant: bool = True) -> onnx.ModelProto:
    """One operator over a matrix of a type, with axes where it wants them."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    inputs = ["x", "axes"] if operator == "ReduceSum" else ["x"]
    shape = helper.make_tensor_value_info("axes", TensorProto.INT64, [1])
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["y"])],
        "one",
        [helper.make_tensor_value_info("x", element, [None, 3]), *([] if axes_are_constant else [shape])],
        [helper.make_tensor_value_info("y", element, [None, None if operator == "ReduceSum" else 3])],
        initializer=[axes] if axes_are_constant and operator == "ReduceSum" else [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_a_type_an_operator_and_axes_that_cuda_lacks_are_named():
    """int16 sums of float16's kind, an unknown operator, and axes that are computed."""
    assert find_unplaced(graph_of("Abs", TensorProto.FLOAT)) == []
    assert find_unplaced(graph_of("Floor", TensorProto.FLOAT16)) == ["Floor(float16)"]
    assert find_unplaced(graph_of("Sinh", TensorProto.FLOAT)) == ["Sinh(float)"]
    assert find_unplaced(graph_of("ReduceSum", TensorProto.FLOAT)) == []
    computed = graph_of("ReduceSum", TensorProto.FLOAT, axes_are_constant=False)
    assert find_unplaced(computed) == ["ReduceSum(float, int64)"]


def test_a_graph_with_an_operator_that_cuda_lacks_is_not_written(table, train, monkeypatch):
    """The exporter checks its own work."""
    values, signal = table(n_rows=500)
    booster = train({"rounds": 2}, values, signal)
    monkeypatch.setattr(operators, "CUDA_OPERATORS", {k: v for k, v in CUDA_OPERATORS.items() if k != "Gather"})
    with pytest.raises(UnimplementedError, match="CUDA has no Gather"):
        export_tensors(booster)


def test_what_a_graph_needs_is_counted():
    """A matrix of 3 float32 in, 3 out: 24 bytes alive and 24 moved."""
    needs = measure(graph_of("Abs", TensorProto.FLOAT))
    assert (needs.bytes_per_row, needs.moved_bytes_per_row, needs.elements_per_row, needs.operators) == (24, 24, 3, 1)
