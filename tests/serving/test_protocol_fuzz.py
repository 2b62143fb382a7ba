"""Messages nobody meant: whatever comes, the answer is an answer or an error with words, never an accident inside."""

import threading
from collections.abc import Iterator

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from headrace.core.errors import Code, HeadraceError, InvalidInputError
from headrace.core.logging import get_level, set_level
from headrace.serving import ServingConfig
from headrace.serving.protocol.application import ServingApplication
from headrace.serving.server import Server
from headrace.serving.transport.seam import Call
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS
from headrace.wire.status import status_details
from headrace.wire.tensors import DTYPES

ALLOWED = {Code.INVALID, Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.UNIMPLEMENTED, Code.UNAVAILABLE, Code.DEADLINE}
CHANGING = {"RepositoryModelLoad", "RepositoryModelUnload"}
UNARY = [name for name, method in METHODS.items() if not method.streaming and name not in CHANGING]
INFER = METHODS["ModelInfer"]
OFTEN = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(OFTEN, max_examples=40)


def two_inputs() -> bytes:
    """Any number of columns, and text beside numbers: the shapes are the client's."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["t"], ["u"])],
        "two",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", "columns"]),
            helper.make_tensor_value_info("t", TensorProto.STRING, ["rows"]),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", "columns"]),
            helper.make_tensor_value_info("u", TensorProto.STRING, ["rows"]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def application(tmp_path_factory) -> Iterator[ServingApplication]:
    folder = tmp_path_factory.mktemp("repository") / "two" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(two_inputs())
    server = Server(ServingConfig(repository=folder.parents[1], port=0, metrics_port=None))
    server.start()
    level = get_level()
    yield server._assembly.application
    set_level(level)
    server.drain()


def good() -> pb.ModelInferRequest:
    message = pb.ModelInferRequest(model_name="two", id="r", model_version="1")
    message.inputs.add(name="x", datatype="FP32", shape=[2, 3])
    message.inputs.add(name="t", datatype="BYTES", shape=[2])
    message.raw_input_contents.extend([bytes(24), b"\x01\0\0\0a\0\0\0\0"])
    message.outputs.add(name="y")
    for name, kind, value in (("priority", "uint64_param", 1), ("timeout", "int64_param", 10**7)):
        setattr(message.parameters[name], kind, value)
    return message


def ask(application: ServingApplication, method: str, message: bytes) -> None:
    """Answer, or fail as a client may see it."""
    refused: HeadraceError | None = None
    try:
        answer = application.answer(METHODS[method].path, message, Call(5.0, lambda _watch: True))
    except HeadraceError as error:
        refused = error
    if refused is None:
        METHODS[method].response.FromString(answer)
    else:
        assert refused.code in ALLOWED, refused.message
        assert status_details(refused)


@st.composite
def mutated(draw) -> bytes:
    """A good message after a few accidents: bytes changed, cut, doubled, put in."""
    content = bytearray(good().SerializeToString())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["change", "cut", "double", "insert", "end"])):
            case "change" if at < len(content):
                content[at] = draw(st.integers(0, 255))
            case "cut":
                del content[at : at + draw(st.integers(1, 8))]
            case "double":
                content[at:at] = content[at : at + draw(st.integers(1, 30))]
            case "insert":
                content[at:at] = draw(st.binary(max_size=8))
            case "end":
                del content[at:]
    return bytes(content)


NAMES = st.sampled_from(["x", "t", "y", "u", "", "X", "\0", "é" * 40])
EXTENTS = st.sampled_from([0, 1, 2, 3, -1, 16_384, 16_385, 2**31, 2**62, 2**63 - 1, -(2**63)])
PARAMETERS = st.dictionaries(
    st.sampled_from(
        ["priority", "timeout", "ids", "routing_key", "sequence_id", "triton_x", "classification", "other"]
        + [f"shared_memory_{part}" for part in ("region", "byte_size", "offset")]
    ),
    st.one_of(
        st.booleans().map(lambda value: {"bool_param": value}),
        st.integers(-(2**63), 2**63 - 1).map(lambda value: {"int64_param": value}),
        st.integers(0, 2**64 - 1).map(lambda value: {"uint64_param": value}),
        st.floats().map(lambda value: {"double_param": value}),
        st.text(max_size=5).map(lambda value: {"string_param": value}),
        st.just({}),
    ),
    max_size=2,
)
CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "fp32_contents": st.lists(st.floats(width=32), max_size=6),
        "bytes_contents": st.lists(st.binary(max_size=4), max_size=6),
        "int64_contents": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
    },
)


@st.composite
def built(draw) -> pb.ModelInferRequest:
    """A message that parses, of parts that do not fit each other."""
    message = good() if draw(st.booleans()) else pb.ModelInferRequest(model_name="two")
    for _ in range(draw(st.integers(0, 3))):
        tensor = message.inputs.add(name=draw(NAMES), datatype=draw(st.sampled_from([*DTYPES, "", "FP31"])))
        tensor.shape.extend(draw(st.lists(EXTENTS, max_size=3)))
        if draw(st.booleans()):
            tensor.contents.CopyFrom(pb.InferTensorContents(**draw(CONTENTS)))
        _set(tensor.parameters, draw(PARAMETERS))
    for _ in range(draw(st.integers(0, 2))):
        _set(message.outputs.add(name=draw(NAMES)).parameters, draw(PARAMETERS))
    message.raw_input_contents.extend(draw(st.lists(st.binary(max_size=24), max_size=2)))
    message.model_version = draw(st.sampled_from(["", "1", "2", "-1", "x", "٣", "9" * 5000]))
    _set(message.parameters, draw(PARAMETERS))
    return message


def _set(parameters, given_values: dict) -> None:
    for name, value in given_values.items():
        parameters[name].SetInParent()
        for kind, content in value.items():
            setattr(parameters[name], kind, content)


@OFTEN
@given(message=mutated())
def test_a_damaged_request_is_answered_or_refused(application, message):
    ask(application, "ModelInfer", message)


@pytest.mark.slow
@OFTEN
@given(message=built())
def test_a_request_of_odd_parts_is_answered_or_refused(application, message):
    ask(application, "ModelInfer", message.SerializeToString())


@SOME
@pytest.mark.parametrize("method", UNARY)
@given(message=st.binary(max_size=40))
def test_noise_is_answered_or_refused_by_every_method(application, method, message):
    ask(application, method, message)


@SOME
@given(messages=st.lists(st.one_of(mutated(), st.binary(max_size=20)), max_size=6))
def test_a_stream_of_noise_has_an_answer_for_each_message(application, messages):
    answers: list[bytes] = []
    over = threading.Event()

    class Replies:
        def send(self, message):
            answers.append(message)

        def finish(self, error=None):
            assert error is None
            over.set()

    stream = application.open(METHODS["ModelStreamInfer"].path, Call(5.0, lambda _watch: True), Replies())
    for message in messages:
        stream.received(message)
    stream.half_closed()
    assert over.wait(10)
    stream.ended()
    assert len(answers) == len(messages)
    for answer in map(pb.ModelStreamInferResponse.FromString, answers):
        assert "correlation id" not in answer.error_message
        assert answer.error_message or answer.infer_response.raw_output_contents


def test_the_good_message_is_good(application):
    answer = application.answer(INFER.path, good().SerializeToString(), Call(5.0, lambda _watch: True))
    assert [output.name for output in pb.ModelInferResponse.FromString(answer).outputs] == ["y"]


def test_inputs_of_different_rows_are_refused(application):
    message = good()
    message.inputs[1].shape[0] = 1
    message.raw_input_contents[1] = b"\x01\0\0\0a"
    with pytest.raises(InvalidInputError, match=r"differ in rows: \{'x': 2, 't': 1\}"):
        application.answer(INFER.path, message.SerializeToString(), Call(5.0, lambda _watch: True))
