"""Graphs of other converters: what is recognised has ONNX Runtime's bits, what is not is left to it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from headrace.serving.config import Device
from headrace.serving.runtime.forest import open_forest
from headrace.serving.runtime.session import Session

pytest.importorskip("headrace_kernels.native._forest", reason="the native forest is not built")

FEATURES = 4
COMPARISONS = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"]
GRID = np.array([-1.5, -0.5, 0.0, 0.25, 1.0, 3.0], dtype=np.float32)


def old_trees(seed: int, what: str, targets: list[list[int]], modes: list[str], lowest: float = -1.0) -> dict:
    """Attributes of random trees, one for each list of targets, in the form of ai.onnx.ml 1 to 4."""
    generator = np.random.default_rng(seed)
    names = ["treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids"]
    nodes: dict[str, list] = {name: [] for name in [*names, "missing_value_tracks_true"]}
    weights: dict[str, list] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree, own in enumerate(targets):
        n_inner = int(generator.choice([0, 1, 2, 8, 70]))
        children, open_nodes = {}, [0]
        for _ in range(n_inner):
            node = open_nodes.pop(int(generator.integers(len(open_nodes))))
            children[node] = (2 * len(children) + 1, 2 * len(children) + 2)
            open_nodes += children[node]
        for node in range(2 * n_inner + 1):
            true, false = children.get(node, (0, 0))
            mode = str(generator.choice(modes)) if node in children else "LEAF"
            values = [tree, node, int(generator.integers(FEATURES)), float(generator.choice(GRID)), mode, true, false]
            for name, value in zip(nodes, [*values, int(generator.integers(2))], strict=True):
                nodes[name].append(value)
            if node not in children:
                for target in own:
                    entry = [tree, node, target, float(np.float32(generator.uniform(lowest, 1.0)))]
                    for name, value in zip(weights, entry, strict=True):
                        weights[name].append(value)
    return {f"nodes_{name}": values for name, values in nodes.items()} | {
        f"{what}_{name}": values for name, values in weights.items()
    }


def make_model(nodes: list, outputs: list, constants: tuple = (), version: int = 3) -> bytes:
    rows = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, FEATURES])
    graph = helper.make_graph(nodes, "forest", [rows], outputs, initializer=list(constants))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def regressor(n_targets: int, **attributes: object) -> bytes:
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=n_targets, **attributes
    )
    return make_model([node], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, n_targets])])


def classifier(n_classes: int, **attributes: object) -> bytes:
    """As a converter writes it: labels and probabilities go through nodes that change nothing."""
    given = {"classlabels_int64s": list(range(10, 10 + n_classes))} | attributes
    nodes = [
        helper.make_node("TreeEnsembleClassifier", ["x"], ["l", "p"], domain="ai.onnx.ml", **given),
        helper.make_node("Identity", ["l"], ["same"]),
        helper.make_node("Cast", ["same"], ["label"], to=TensorProto.INT64),
        helper.make_node("Mul", ["p", "one"], ["probabilities"]),
    ]
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, n_classes]),
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
    ]
    return make_model(nodes, outputs, (numpy_helper.from_array(np.ones(1, np.float32), "one"),))


def make_rows(seed: int, n_rows: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    near = np.concatenate([GRID, np.nextafter(GRID, np.float32(9e9)), np.nextafter(GRID, np.float32(-9e9))])
    special = np.array([np.nan, -0.0, np.inf, -np.inf, 1e-45, -1e-45], np.float32)
    return generator.choice(np.concatenate([near, special]), size=(n_rows, FEATURES))


def assert_same_bits(model: bytes, rows: np.ndarray) -> None:
    forest, session = open_forest(model, "model"), Session(model, device=Device.CPU, name="model")
    assert forest is not None
    assert (forest.inputs, forest.outputs) == (session.inputs, session.outputs)
    for size in (1, 2, len(rows)):
        for found, expected in zip(forest.run((rows[:size],)), session.run((rows[:size],)), strict=True):
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
            assert found.tobytes() == expected.tobytes()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    modes=st.sampled_from([[mode] for mode in COMPARISONS] + [COMPARISONS]),
    n_targets=st.sampled_from([1, 3]),
    together=st.booleans(),
    base=st.booleans(),
)
def test_regressors_have_the_bits_of_onnx_runtime(seed, modes, n_targets, together, base):
    """Any comparison, one target a tree or all of them at every leaf, with something to begin from or not."""
    targets = [list(range(n_targets)) if together else [tree % n_targets] for tree in range(7)]
    bases = {"base_values": [0.1, -0.7, 3.0][:n_targets]} if base else {}
    model = regressor(n_targets, **old_trees(seed, "target", targets, modes), **bases)
    assert_same_bits(model, make_rows(seed, 150))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    transform=st.sampled_from(["NONE", "LOGISTIC", "SOFTMAX"]),
    n_classes=st.sampled_from([2, 3, 5]),
    together=st.booleans(),
    lowest=st.sampled_from([-1.0, 0.0]),
    base=st.booleans(),
)
def test_classifiers_have_the_bits_of_onnx_runtime(seed, transform, n_classes, together, lowest, base):
    """Two classes told apart by one score, or a score a class; probabilities or scores of any sign."""
    if n_classes == 2:
        targets = [[0]] * 7
    else:
        targets = [list(range(n_classes)) if together else [tree % n_classes] for tree in range(7)]
    trees = old_trees(seed, "class", targets, ["BRANCH_LEQ"], lowest)
    assume(not (n_classes == 2 and transform == "LOGISTIC" and min(trees["class_weights"]) >= 0))
    bases = {"base_values": [0.1, -0.7, 3.0, -0.2, 0.4][: 1 if n_classes == 2 else n_classes]} if base else {}
    assert_same_bits(classifier(n_classes, post_transform=transform, **trees, **bases), make_rows(seed, 150))


def trees_of(what: str, **changes: object) -> dict:
    return old_trees(1, what, [[0]] * 3, ["BRANCH_LEQ"]) | changes


def two_ensembles() -> bytes:
    nodes = [
        helper.make_node("TreeEnsembleRegressor", ["x"], [name], domain="ai.onnx.ml", n_targets=1, **trees_of("target"))
        for name in ("a", "b")
    ]
    total = helper.make_node("Add", ["a", "b"], ["y"])
    return make_model([*nodes, total], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])])


def doubled() -> bytes:
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["a"], domain="ai.onnx.ml", n_targets=1, **trees_of("target")
    )
    twice = helper.make_node("Add", ["a", "a"], ["y"])
    return make_model([node, twice], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])])


LEFT_ALONE = {
    "more base values than sums": regressor(1, **trees_of("target", base_values=[0.5, 0.5])),
    "averages": regressor(1, **trees_of("target", aggregate_function="AVERAGE")),
    "the smallest": regressor(1, **trees_of("target", aggregate_function="MIN")),
    "a transformation": regressor(1, **trees_of("target", post_transform="PROBIT")),
    "equality": regressor(1, **old_trees(1, "target", [[0]] * 3, ["BRANCH_EQ"])),
    "labels that are strings": classifier(
        2, **trees_of("class", classlabels_int64s=None, classlabels_strings=["a", "b"])
    ),
    "two scores for two classes": classifier(2, **old_trees(1, "class", [[0], [1]], ["BRANCH_LEQ"])),
    "a class without weights": classifier(3, **old_trees(1, "class", [[0], [1]], ["BRANCH_LEQ"])),
    "weights that are all positive": classifier(
        2, post_transform="LOGISTIC", **old_trees(1, "class", [[0]] * 3, ["BRANCH_LEQ"], lowest=0.0)
    ),
    "two ensembles": two_ensembles(),
    "arithmetic that is no link": doubled(),
}


@pytest.mark.parametrize("model", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_is_not_recognised_is_left_to_onnx_runtime(model):
    assert b"TreeEnsemble" in model
    assert open_forest(model, "model") is None


def test_a_graph_without_trees_is_not_read():
    assert open_forest(b"anything", "model") is None
    assert open_forest(b"TreeEnsemble, but no graph", "model") is None


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_damaged_graphs_are_refused_or_run(seed):
    """No byte of a model makes the reader fail, and whatever is opened scores rows without an accident."""
    generator = np.random.default_rng(seed)
    data = bytearray(regressor(1, **trees_of("target")))
    for position in generator.integers(0, len(data), size=int(generator.integers(1, 4))):
        data[position] = int(generator.integers(256))
    forest = open_forest(bytes(data), "model")
    if forest is not None:
        width = forest.inputs[0].shape[1]
        (scores,) = forest.run((np.zeros((3, width), np.float32),))
        assert len(scores) == 3


def test_without_the_extension_onnx_runtime_serves():
    code = (
        "import sys; sys.modules['headrace_kernels.native._forest'] = None\n"
        "from headrace.serving.runtime.forest import open_forest\n"
        "assert open_forest(sys.stdin.buffer.read(), 'model') is None\n"
    )
    model = regressor(1, **trees_of("target"))
    assert open_forest(model, "model") is not None
    subprocess.run([sys.executable, "-c", code], input=model, check=True, timeout=60)


def test_reading_a_graph_loads_no_onnx():
    code = (
        "import sys\n"
        "from headrace.serving.runtime.forest import open_forest\n"
        "assert open_forest(sys.stdin.buffer.read(), 'model') is not None\n"
        "assert not {'onnx', 'numba'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], input=regressor(1, **trees_of("target")), check=True, timeout=60)
