"""A graph from elsewhere takes one float32 matrix and gives one float32 score, with the bits it gave before."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from headrace.core.errors import CorruptedError, InvalidInputError, UnimplementedError
from headrace.packaging.export.foreign import take_over

ROWS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
FLOAT, DOUBLE, INT64, STRING = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING


def graph(nodes, inputs, outputs, *, constants=(), opset=18, domains=()):
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        initializer=[numpy_helper.from_array(value, name) for name, value in constants],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10).SerializeToString()


def linear(*, label=True, output=("p", FLOAT, [None, 2]), input_type=FLOAT):
    """A label and two scores of three columns, as converters of classifiers write them."""
    weights = np.array([[1.5, -1.5], [0.25, 2.0], [-3.0, 1.0]], np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"])]
    outputs = [output]
    if label:
        nodes.append(helper.make_node("ArgMax", ["p"], ["label"], axis=1, keepdims=0))
        outputs.insert(0, ("label", INT64, [None]))
    return graph(nodes, [("x", input_type, [None, 3])], outputs, constants=[("w", weights)])


def run(model, feeds):
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)


def test_a_matrix_model_keeps_its_bits_and_loses_its_label():
    taken = take_over(linear(), ["a", "b", "c"])
    (score,) = run(taken.model, {"features": ROWS})
    assert taken.width == score.shape[1] == 2
    assert score.tobytes() == run(linear(), {"x": ROWS})[1].tobytes()
    assert take_over(linear(), ["a", "b", "c"]).model == taken.model


def test_named_inputs_become_columns_by_name_in_the_schemas_order():
    nodes = [
        helper.make_node("Cast", ["stops"], ["stops_f"], to=FLOAT),
        helper.make_node("Cast", ["late"], ["late_f"], to=FLOAT),
        helper.make_node("Squeeze", ["distance", "axis"], ["flat"]),
        helper.make_node("Mul", ["flat", "stops_f"], ["both"]),
        helper.make_node("Sub", ["both", "late_f"], ["score_of_mine"]),
    ]
    inputs = [("distance", FLOAT, [None, 1]), ("stops", INT64, [None]), ("late", TensorProto.BOOL, [None])]
    model = graph(nodes, inputs, [("score_of_mine", FLOAT, [None])], constants=[("axis", np.array([1]))])
    taken = take_over(model, ["late", "distance", "stops"])
    (score,) = run(taken.model, {"features": np.array([[1, 2.5, 3], [0, -1, 4]], np.float32)})
    assert score.tolist() == [[6.5], [-4.0]]
    assert taken.width == 1


def test_a_double_score_is_rounded_once():
    nodes = [helper.make_node("Cast", ["x"], ["d"], to=DOUBLE), helper.make_node("Div", ["d", "three"], ["p"])]
    model = graph(nodes, [("x", FLOAT, [None, 1])], [("p", DOUBLE, [None, 1])], constants=[("three", np.array(3.0))])
    (score,) = run(take_over(model, ["a"]).model, {"features": ROWS[:, :1]})
    assert score.tobytes() == (ROWS[:, :1].astype(np.float64) / 3).astype(np.float32).tobytes()


def test_a_graph_that_uses_our_names_keeps_its_meaning():
    nodes = [
        helper.make_node("Neg", ["features"], ["headrace_axis"]),
        helper.make_node("Abs", ["headrace_axis"], ["given/features"]),
        helper.make_node("Sqrt", ["given/features"], ["score"]),
    ]
    model = graph(nodes, [("features", FLOAT, [None, 3])], [("score", FLOAT, [None, 3])])
    (score,) = run(take_over(model, ["a", "b", "c"]).model, {"features": ROWS})
    assert score.tobytes() == np.sqrt(np.abs(ROWS)).tobytes()


def test_the_score_is_named_where_there_are_several():
    nodes = [helper.make_node("Neg", ["x"], ["n"]), helper.make_node("Abs", ["x"], ["m"])]
    model = graph(nodes, [("x", FLOAT, [None, 3])], [("n", FLOAT, [None, 3]), ("m", FLOAT, [None, 3])])
    with pytest.raises(InvalidInputError, match=r"one output of floats.* n \(float \[rows, 3\]\), m") as caught:
        take_over(model, ["a", "b", "c"])
    assert "--output" in caught.value.hint or "output" in caught.value.hint
    (score,) = run(take_over(model, ["a", "b", "c"], output="m").model, {"features": ROWS})
    assert score.tobytes() == np.abs(ROWS).tobytes()
    with pytest.raises(InvalidInputError, match="no output 'mm'; its outputs: n, m"):
        take_over(model, ["a", "b", "c"], output="mm")


@pytest.mark.parametrize(
    ("model", "columns", "error", "says"),
    [
        (linear(), ["a", "b"], InvalidInputError, r"input 'x' is float \[rows, 3\]; with 2 columns"),
        (b"", ["a"], CorruptedError, "no valid ONNX model"),
        (b"garbage\0", ["a"], CorruptedError, "no valid ONNX model"),
        (linear()[:-20], ["a", "b", "c"], CorruptedError, "no valid ONNX model"),
        (
            graph([helper.make_node("Identity", ["x"], ["y"])], [("x", STRING, [None, 1])], [("y", STRING, [None, 1])]),
            ["x"], InvalidInputError, "one output of floats",
        ),
        (
            graph(
                [helper.make_node("Fly", ["x"], ["y"], domain="com.strange")], [("x", FLOAT, [None, 1])],
                [("y", FLOAT, [None, 1])], domains=["com.strange"],
            ),
            ["x"], UnimplementedError, "operator Fly is of domain 'com.strange'; allowed: ai.onnx, ai.onnx.ml",
        ),
        (
            graph(
                [helper.make_node("Abs", ["x"], ["y"])], [("x", FLOAT, [None, 1])], [("y", FLOAT, [None, 1])], opset=9
            ),
            ["x"], UnimplementedError, "opset 9; allowed: 13",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_what_is_wrong(model, columns, error, says):
    with pytest.raises(error, match=says):
        take_over(model, columns)


def test_inputs_and_columns_must_name_each_other():
    nodes = [helper.make_node("Add", ["distance", "stops"], ["p"])]
    inputs = [("distance", FLOAT, [None, 1]), ("stops", FLOAT, [None, 1])]
    model = graph(nodes, inputs, [("p", FLOAT, [None, 1])])
    with pytest.raises(InvalidInputError, match="no input 'distanec'") as caught:
        take_over(model, ["distanec", "stops"])
    assert caught.value.hint == "did you mean 'distance'?"
    with pytest.raises(InvalidInputError, match="no column for input 'stops'"):
        take_over(model, ["distance"])


@pytest.mark.parametrize("place", ["/etc/passwd", "../secret", "weights.bin"])
@pytest.mark.parametrize("where", ["initializer", "attribute"])
def test_weights_outside_of_the_file_are_refused_wherever_they_are_said_to_be(place, where):
    model = onnx.load_model_from_string(linear(label=False))
    tensor = model.graph.initializer[0]
    if where == "attribute":
        model.graph.node.insert(0, helper.make_node("Constant", [], ["unused"], value=tensor))
        tensor = model.graph.node[0].attribute[0].t
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", place
    with pytest.raises(UnimplementedError, match="kept in a file outside of the graph"):
        take_over(model.SerializeToString(), ["a", "b", "c"])
