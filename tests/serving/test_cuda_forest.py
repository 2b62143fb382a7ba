"""Forests of served graphs on a device: the CPU's bits, batches cut to its memory, refusals with a reason."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from onnx import TensorProto, helper

from headrace.core.errors import UnavailableError
from headrace.packaging.export import Precision, export_lightgbm, export_raw_score
from headrace.serving.config import Device
from headrace.serving.runtime import accelerate, open_backend
from headrace.serving.runtime.accelerate import crossover, difference
from headrace.serving.runtime.forest.cuda import open_cuda_forest, threshold_rows
from headrace.serving.runtime.session import Session
from headrace_kernels.cuda.device import OutOfMemoryError

pytest.importorskip("headrace_kernels.native._forest", reason="the native forest is not built")

OBJECTIVES = {
    "binary": {},
    "regression": {"reg_sqrt": True},
    "poisson": {},
    "multiclass": {"num_class": 3},
    "multiclassova": {"num_class": 3},
}


def train(objective: str = "binary", *, rounds: int = 6, **settings: object) -> lightgbm.Booster:
    """A small model over 4 columns, the last of them a category."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(800, 4))
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 3] = rng.integers(0, 30, 800)
    signal = np.nan_to_num(values[:, 0]) + np.sin(values[:, 3])
    label = np.digitize(signal, [-0.5, 0.5] if "num_class" in settings else [0.0]).astype(float)
    given = {"objective": objective, "num_leaves": 9, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    data = lightgbm.Dataset(values, label, categorical_feature=[3], params={"verbose": -1})
    return lightgbm.train(given | settings, data, num_boost_round=rounds)


@pytest.fixture(scope="module")
def model() -> bytes:
    return export_lightgbm(train())


def same(found, expected):
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("export", [export_lightgbm, export_raw_score])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_forest_on_a_device_has_the_bits_of_onnx_runtime(failing_device, objective, export, precision):
    """Over thresholds, their neighbours, NaN, infinities and zeros of both signs."""
    graph = export(train(objective, **OBJECTIVES[objective]), precision=precision)
    forest, session = open_cuda_forest(graph, failing_device), Session(graph, device=Device.CPU, name="m@1")
    assert (forest.inputs, forest.outputs) == (session.inputs, session.outputs)
    assert difference(forest, session, graph) == ""
    assert forest.runner().run((np.zeros((0, 4), np.float32),))[0].shape[0] == 0


def stumps(n_classes: int, transform: str) -> bytes:
    """A classifier of one stump a class over 2 columns; one stump where it tells two classes apart by one score."""
    trees = list(range(n_classes if n_classes > 2 else 1))
    nodes = {
        "treeids": np.repeat(trees, 3), "nodeids": [0, 1, 2] * len(trees), "featureids": [1, 0, 0] * len(trees),
        "truenodeids": [1, 0, 0] * len(trees), "falsenodeids": [2, 0, 0] * len(trees),
        "modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * len(trees), "values": [0.25, 0.0, 0.0] * len(trees),
    }  # fmt: skip
    leaves = {
        "treeids": np.repeat(trees, 2), "nodeids": [1, 2] * len(trees), "ids": np.repeat(trees, 2),
        "weights": np.linspace(-1.5, 2.5, 2 * len(trees)).tolist(),
    }  # fmt: skip
    node = helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["label", "share"], domain="ai.onnx.ml", post_transform=transform,
        classlabels_int64s=list(range(10, 10 + n_classes)), **{f"nodes_{name}": each for name, each in nodes.items()},
        **{f"class_{name}": each for name, each in leaves.items()},
    )  # fmt: skip
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("share", TensorProto.FLOAT, [None, n_classes]),
    ]
    rows = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    graph = helper.make_graph([node], "stumps", [rows], outputs)
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


@pytest.mark.parametrize(("n_classes", "transform"), [(2, "LOGISTIC"), (2, "NONE"), (3, "SOFTMAX"), (4, "LOGISTIC")])
def test_a_classifiers_labels_and_shares_have_the_bits_of_onnx_runtime(failing_device, n_classes, transform):
    graph = stumps(n_classes, transform)
    forest, session = open_cuda_forest(graph, failing_device), Session(graph, device=Device.CPU, name="m@1")
    assert difference(forest, session, graph) == ""


def test_a_batch_beyond_the_devices_memory_is_cut(failing_device, model, monkeypatch):
    forest = open_cuda_forest(model, failing_device)
    rows = threshold_rows(model, 25)
    whole, asked = forest.run(rows), failing_device.asked
    forest._most_rows = 10
    assert same(forest.run(rows), whole)
    assert failing_device.asked == asked + 3


def test_what_a_batch_may_have_follows_from_the_memory_that_is_free(failing_device, model):
    failing_device.free_bytes = 1 << 20
    small = open_cuda_forest(model, failing_device)
    failing_device.free_bytes = 1 << 33
    large = open_cuda_forest(model, failing_device)
    assert small._most_rows < large._most_rows
    assert large.details["cuda_rows_a_run"] == str(large._most_rows)


def test_a_device_that_does_not_hold_the_forest_is_refused_in_words(failing_device, model):
    failing_device.error = OutOfMemoryError("emulated: 9 bytes do not fit 8")
    with pytest.raises(UnavailableError, match="does not take the forest: emulated: 9 bytes"):
        open_cuda_forest(model, failing_device)


def test_a_graph_that_is_no_forest_is_refused_in_words(failing_device, sum_model):
    with pytest.raises(UnavailableError, match="no trees"):
        open_cuda_forest(sum_model(1), failing_device)
    with pytest.raises(UnavailableError, match="not recognised"):
        open_cuda_forest(b"TreeEnsemble", failing_device)
    assert threshold_rows(sum_model(1), 4) is None


def opened(model, device=Device.AUTO):
    return open_backend.open_backend(model, device=device, name="m@1")


def timed(monkeypatch, cpu_us, cuda_us):
    """Times a batch of so many rows takes on either side."""
    monkeypatch.setattr(
        accelerate, "median_us", lambda backend, rows: (cuda_us if backend.name == "cuda_forest" else cpu_us)(rows)
    )


def test_small_batches_run_on_the_cpu_and_large_ones_on_the_device(failing_device, model, monkeypatch):
    timed(monkeypatch, lambda rows: rows, lambda rows: 40 + rows / 10)
    backend = opened(model)
    assert (backend.name, backend.placement.device, backend.from_rows) == ("cuda_forest", "cuda", 64)
    assert backend.details["cuda_from_rows"] == "64"
    runner, session = backend.runner(), Session(model, device=Device.CPU, name="m@1")
    for rows, on_device in ((63, 0), (64, 1)):
        asked, inputs = failing_device.asked, threshold_rows(model, rows)
        assert same(runner.run(inputs), session.run(inputs))
        assert same(backend.run(inputs), session.run(inputs))
        assert (failing_device.asked > asked) == bool(on_device)


def test_a_device_that_is_never_faster_is_not_used_unless_it_is_required(failing_device, model, monkeypatch):
    timed(monkeypatch, lambda rows: rows, lambda rows: rows + 1)
    left = opened(model)
    assert (left.name, left.placement.device, left.placement.fell_back) == ("forest", "cpu", False)
    assert left.details["cuda_state"] == "slower than the CPU up to 4,096 rows"
    required = opened(model, Device.CUDA)
    assert (required.placement.device, required.from_rows) == ("cuda", 1)


def test_the_crossover_is_where_the_device_wins_at_every_size_beyond():
    assert crossover({1: 1.0, 64: 10.0, 256: 50.0}, {1: 5.0, 64: 9.0, 256: 10.0}) == 64
    assert crossover({1: 9.0, 64: 10.0, 256: 50.0}, {1: 5.0, 64: 11.0, 256: 10.0}) == 256
    assert crossover({1: 1.0, 64: 10.0}, {1: 5.0, 64: 10.0}) is None


def test_a_device_that_sends_a_row_to_another_leaf_is_refused(failing_device, model, monkeypatch):
    """The rows compared are thresholds and their neighbours: a test off by one float32 is seen."""
    from headrace_kernels.cuda import forest_layout

    right = forest_layout._packed

    def wrong(forest, *given, **named):
        moved = np.nextafter(forest.node_split, np.float32(np.inf))
        return right(type(forest)(**(vars(forest) | {"node_split": moved})), *given, **named)

    monkeypatch.setattr(forest_layout, "_packed", wrong)
    backend = opened(model)
    assert backend.placement.device == "cpu"
    assert "cuda_forest: it differs from the CPU" in backend.placement.reason
    with pytest.raises(UnavailableError, match="CUDA is required and cannot be used: cuda_forest: it differs"):
        opened(model, Device.CUDA)
