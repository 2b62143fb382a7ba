"""A real server over a folder in which people and machines make every mistake there is."""

import json
import time

import grpc
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from headrace.client import Client
from headrace.core.errors import NotFoundError
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

ROW = np.array([[1, 2, 3, 4]], np.float32)
LIMIT_S = 60.0


def until(condition):
    """Wait for another process's work; the limit only bounds a failure."""
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def make_product(opset: int = 17, **value_info):
    """Score = the row's sum; `rows` fixes the first dimension, `external` keeps the weights in another file."""
    shape = [value_info.get("rows", "rows"), 4]
    weights = numpy_helper.from_array(np.ones((4, 1), np.float32), "weights")
    if value_info.get("external"):
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="weights.bin")
    graph = helper.make_graph(
        [helper.make_node(value_info.get("operator", "MatMul"), ["features", "weights"], ["score"])],
        "product",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [shape[0], 1])],
        initializer=[weights],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString()


class Repository:
    """A folder, a server over it, and the protocol's repository methods."""

    def __init__(self, root, server):
        self.root = root
        self.server = server
        self.client = Client(server.address, timeout_s=LIMIT_S)
        self.channel = grpc.insecure_channel(server.address)

    def close(self):
        self.client.close()
        self.channel.close()

    def call(self, name, /, **fields):
        method = METHODS[name]
        raw = self.channel.unary_unary(method.path)(method.request(**fields).SerializeToString(), timeout=LIMIT_S)
        return method.response.FromString(raw)

    def index(self, **fields):
        lines = self.call("RepositoryIndex", **fields).models
        return {(line.name, line.version): (line.state, line.reason) for line in lines}

    def settled(self):
        return all(state != "LOADING" and "not loaded" not in reason for state, reason in self.index().values())

    def put(self, path, content):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def score(self, name="good"):
        return self.client.infer(name, ROW).scores.tolist()


@pytest.fixture
def serve_folder(start_process, tmp_path, sum_model):
    """Start a server over a folder with version 1 of `good`."""
    opened = []

    def serve(**changes):
        root = tmp_path / "models"
        (root / "good" / "1").mkdir(parents=True)
        (root / "good" / "1" / "model.onnx").write_bytes(sum_model(1))
        given = {"models": [], "database": None, "store": None, "repository": str(root), "watch": True}
        opened.append(Repository(root, start_process(**(given | changes))))
        return opened[-1]

    yield serve
    for repository in opened:
        repository.close()


@pytest.mark.slow
def test_bad_models_are_named_and_the_good_one_answers(serve_folder, sum_model):
    repository = serve_folder()
    product = make_product()
    bad = {
        "truncated": (product[:-7], "the graph cannot be run"),
        "no-protobuf": (b"hello", "the graph cannot be run"),
        "empty-file": (b"", "is empty"),
        "opset": (make_product(opset=99), "the graph cannot be run"),
        "operator": (make_product(operator="Nope"), "the graph cannot be run"),
        "external": (make_product(external=True), "the graph cannot be run"),
    }
    for name, (content, _) in bad.items():
        repository.put(f"{name}/1/model.onnx", content)
    (repository.root / "empty").mkdir()
    (repository.root / "no-file" / "1").mkdir(parents=True)
    repository.put("no-number/latest/model.onnx", product)
    repository.put("settings/1/model.onnx", product)
    repository.put("settings/model.toml", b"vresions = 'all'")
    repository.put("triton/1/model.onnx", product)
    repository.put("triton/config.pbtxt", b'platform: "onnxruntime_onnx" max_batch_size: 8')
    repository.put("one-row/1/model.onnx", make_product(rows=1))
    names = {*bad, "good", "empty", "no-file", "no-number", "settings", "triton", "one-row"}
    until(lambda: {name for name, _ in repository.index()} == names and repository.settled())
    index = repository.index()
    for name, (_, words) in bad.items():
        state, reason = index[name, "1"]
        assert (state, words in reason) == ("UNAVAILABLE", True), (name, reason)
    assert "holds no version" in index["empty", ""][1]
    assert "no-file/1 holds no model.onnx" in index["no-file", ""][1]
    assert "folders there: latest" in index["no-number", ""][1]
    assert "'vresions' is unknown" in index["settings", ""][1]
    ready = {("good", "1"), ("triton", "1"), ("one-row", "1")}
    assert repository.index(ready=True) == dict.fromkeys(ready, ("READY", ""))
    assert (repository.score(), repository.score("triton"), repository.score("one-row")) == ([1010], [10], [10])
    assert [event["model"] for event in repository.server.events("config_ignored")] == ["triton"]
    assert [event["folder"] for event in repository.server.events("version_ignored")] == ["latest"]
    repository.put("good/2/model.onnx", sum_model(2)[:-7])
    until(lambda: ("good", "2") in repository.index())
    until(lambda: "cannot be run" in repository.index()["good", "2"][1])
    assert repository.score() == [1010]
    assert repository.server.stop() == 0


@pytest.mark.slow
def test_a_folder_is_controlled_through_the_protocol(serve_folder, sum_model):
    repository = serve_folder(watch=False)
    repository.put("good/2/model.onnx", sum_model(2))
    repository.put("more/1/model.onnx", sum_model(3))
    repository.call("RepositoryModelLoad", model_name="good")
    repository.call("RepositoryModelLoad", model_name="more")
    assert (repository.score(), repository.score("more")) == ([2010], [3010])
    repository.put("good/3/model.onnx", b"no graph")
    with pytest.raises(grpc.RpcError, match="good@3: the graph cannot be run"):
        repository.call("RepositoryModelLoad", model_name="good")
    assert repository.score() == [2010]
    assert repository.index()["good", "3"][0] == "UNAVAILABLE"
    repository.call("RepositoryModelUnload", model_name="more")
    assert repository.index()["more", "1"] == ("UNAVAILABLE", "unloaded")
    with pytest.raises(NotFoundError, match="model 'more' is not served here"):
        repository.score("more")
    parameter = {"config": pb.ModelRepositoryParameter(string_param=json.dumps({"max_batch_size": 8}))}
    with pytest.raises(grpc.RpcError, match="'config' is not supported"):
        repository.call("RepositoryModelLoad", model_name="good", parameters=parameter)


@pytest.mark.slow
def test_answers_that_are_given_again_are_counted_and_go_with_their_version(serve_folder, sum_model):
    repository = serve_folder(response_cache_bytes=1_000_000)
    assert [repository.score() for _ in range(3)] == [[1010]] * 3
    (statistics,) = repository.call("ModelStatistics", name="good").model_stats
    counts = statistics.inference_stats
    assert (counts.success.count, counts.cache_hit.count, counts.cache_miss.count) == (3, 2, 1)
    assert statistics.execution_count == 1
    assert repository.call("ModelConfig", name="good").config.response_cache.enable
    repository.put("good/1/model.onnx", sum_model(5))
    until(lambda: repository.score() == [5010])
