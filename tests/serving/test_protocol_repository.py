"""RepositoryIndex, -Load and -Unload: what a client asks is what the manager is asked, and errors stay errors."""

import pytest

from headrace.core.errors import InvalidInputError, NotFoundError, UnavailableError, UnimplementedError
from headrace.serving.models.states import ModelState
from headrace.serving.protocol.repository import RepositoryMethods
from headrace.wire import inference_pb2 as pb

READY = ModelState("late", "2", "READY", "")
BROKEN = ModelState("late", "3", "UNAVAILABLE", "the graph cannot be run")


class Manager:
    """Answers as it is told and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list = []

    def index(self, *, ready_only):
        return [READY] if ready_only else [READY, BROKEN]

    def load(self, name, parameters):
        if name == "broken":
            raise UnavailableError("the graph cannot be run")
        self.asked.append(("load", name, parameters))

    def unload(self, name, *, dependents):
        self.asked.append(("unload", name, dependents))


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def call(manager):
    methods = RepositoryMethods(manager).methods
    return lambda request: methods[request.DESCRIPTOR.name.removesuffix("Request")](request)


def test_the_index_names_states_and_reasons(call):
    everything = call(pb.RepositoryIndexRequest()).models
    assert [(m.name, m.version, m.state, m.reason) for m in everything] == [
        ("late", "2", "READY", ""),
        ("late", "3", "UNAVAILABLE", "the graph cannot be run"),
    ]
    assert [model.version for model in call(pb.RepositoryIndexRequest(ready=True)).models] == ["2"]


def test_a_load_passes_its_parameters_on_and_its_error_back(call, manager):
    request = pb.RepositoryModelLoadRequest(model_name="late")
    request.parameters["config"].string_param = "{}"
    request.parameters["file:1/model.onnx"].bytes_param = b"x"
    call(request)
    assert manager.asked == [("load", "late", {"config": "{}", "file:1/model.onnx": b"x"})]
    with pytest.raises(UnavailableError, match="cannot be run"):
        call(pb.RepositoryModelLoadRequest(model_name="broken"))


def test_an_unload_says_whether_dependents_go_too(call, manager):
    request = pb.RepositoryModelUnloadRequest(model_name="late")
    call(request)
    request.parameters["unload_dependents"].bool_param = True
    call(request)
    assert manager.asked == [("unload", "late", False), ("unload", "late", True)]


@pytest.mark.parametrize("kind", [pb.RepositoryModelLoadRequest, pb.RepositoryModelUnloadRequest])
def test_what_names_no_model_is_refused(call, kind):
    with pytest.raises(InvalidInputError, match="model_name is empty"):
        call(kind())
    with pytest.raises(UnimplementedError, match="repository_name is 'other'"):
        call(kind(model_name="late", repository_name="other"))
    request = kind(model_name="late")
    request.parameters["nothing"].SetInParent()
    with pytest.raises(InvalidInputError, match="parameter 'nothing' has no value"):
        call(request)


def test_unload_parameters_are_known_ones_of_the_right_type(call):
    request = pb.RepositoryModelUnloadRequest(model_name="late")
    request.parameters["unload_dependents"].int64_param = 1
    with pytest.raises(InvalidInputError, match="1 came, expected bool_param"):
        call(request)
    request.parameters["other"].int64_param = 1
    with pytest.raises(
        InvalidInputError, match="'other' of RepositoryModelUnload is unknown; known: unload_dependents"
    ):
        call(request)


def test_over_a_port_a_model_is_unloaded_and_loaded_again(start):
    """With the real manager: what it answers is what clients see."""
    _, client = start()
    rows = [[1, 2, 3, 4]]

    def states():
        index = client._call("RepositoryIndex", pb.RepositoryIndexRequest()).models
        return [(model.name, model.version, model.state) for model in index]

    assert states() == [("late", "1", "READY")]
    client._call("RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name="late"))
    assert ("late", "1", "READY") not in states()
    with pytest.raises(NotFoundError):
        client.infer("late", rows)
    client._call("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="late"))
    assert client.infer("late", rows).scores.tolist() == [1010.0]
    with pytest.raises(NotFoundError):
        client._call("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="nobody"))
