"""What a request must look like, over a real port; every refusal names the field, what came and what was expected."""

import grpc
import numpy as np
import pytest

from headrace.core.errors import DeadlineError, InvalidInputError, NotFoundError
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS
from headrace.wire.tensors import encode_raw

ROW = np.array([[1, 2, 3, 4]], np.float32)
SCORE_OF_VERSION_1 = 1010.0


def request(**changes) -> pb.ModelInferRequest:
    message = pb.ModelInferRequest(model_name="late", id="r")
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, 4]} | changes
    message.inputs.add(**tensor)
    message.raw_input_contents.append(encode_raw(ROW))
    return message


def send(client, message, method="ModelInfer"):
    return client._call(method, message)


@pytest.fixture
def client(start):
    _, client = start()
    return client


def test_raw_contents_are_answered_in_raw_contents(client):
    answer = send(client, request())
    assert (answer.model_name, answer.model_version, answer.id) == ("late", "1", "r")
    assert [(o.name, o.datatype, list(o.shape)) for o in answer.outputs] == [("score", "FP32", [1, 1])]
    assert not answer.outputs[0].HasField("contents")
    assert np.frombuffer(answer.raw_output_contents[0], "<f4").tolist() == [SCORE_OF_VERSION_1]


def test_typed_contents_are_answered_in_raw_contents(client):
    message = pb.ModelInferRequest(model_name="late")
    tensor = message.inputs.add(name="features", datatype="FP32", shape=[1, 4])
    tensor.contents.fp32_contents.extend(ROW[0])
    answer = send(client, message)
    assert np.frombuffer(answer.raw_output_contents[0], "<f4").tolist() == [SCORE_OF_VERSION_1]


def test_outputs_asked_for_by_name_are_sent(client):
    message = request()
    message.outputs.add(name="score")
    assert [o.name for o in send(client, message).outputs] == ["score"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": [1, 5]}, ["features", "late@1", "[1, 5]", "[-1, 4]"]),
        ({"shape": [4]}, ["[4]", "[-1, 4]"]),
        ({"shape": [-1, 4]}, ["[-1, 4] came"]),
        ({"shape": [0, 4]}, ["0 rows", "1 to 16384"]),
        ({"shape": [99999, 4]}, ["99999 rows", "1 to 16384"]),
        ({"shape": [2, 4]}, ["16 bytes", "[2, 4]", "32"]),
        ({"datatype": "FP64"}, ["features", "FP64 came", "expected FP32"]),
        ({"datatype": ""}, ["(none) came", "expected FP32"]),
        ({"name": "feature"}, ["'feature' is unknown", "takes: features", "did you mean 'features'?"]),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(client, changes, words):
    with pytest.raises(InvalidInputError) as caught:
        send(client, request(**changes))
    for word in words:
        assert word in f"{caught.value.message} {caught.value.hint}"


def test_a_repeated_or_missing_input_is_refused(client):
    message = request()
    message.inputs.add(name="features", datatype="FP32", shape=[1, 4])
    message.raw_input_contents.append(encode_raw(ROW))
    with pytest.raises(InvalidInputError, match="'features' came twice"):
        send(client, message)
    with pytest.raises(InvalidInputError, match="'features' is missing"):
        send(client, pb.ModelInferRequest(model_name="late"))


def test_raw_and_typed_contents_are_not_mixed(client):
    message = request()
    message.inputs[0].contents.fp32_contents.extend(ROW[0])
    with pytest.raises(InvalidInputError, match="beside raw_input_contents"):
        send(client, message)


def test_raw_entries_are_counted(client):
    message = request()
    message.raw_input_contents.append(b"")
    with pytest.raises(InvalidInputError, match="2 entries for 1 inputs"):
        send(client, message)


@pytest.mark.parametrize("names", [["scores"], ["score", "score"]])
def test_an_unknown_or_repeated_output_is_refused(client, names):
    message = request()
    for name in names:
        message.outputs.add(name=name)
    with pytest.raises(InvalidInputError, match=f"output '{names[0]}'"):
        send(client, message)


def test_a_form_of_output_that_is_not_here_is_refused(client):
    message = request()
    message.outputs.add(name="score").parameters["classification"].int64_param = 1
    with pytest.raises(InvalidInputError, match="'classification' came, which is no extension of this server"):
        send(client, message)


def test_an_unknown_model_is_not_found_and_the_near_one_is_named(client):
    with pytest.raises(NotFoundError) as caught:
        client.infer("lat", ROW)
    assert "model 'lat' is not served here; served: late" in caught.value.message
    assert caught.value.hint == "did you mean 'late'?"


def test_an_unknown_version_is_not_found_and_a_bad_one_is_invalid(client):
    with pytest.raises(NotFoundError, match="no version 7 here; loaded: 1"):
        client.infer("late", ROW, version="7")
    with pytest.raises(InvalidInputError, match="model_version is 'one'"):
        client.infer("late", ROW, version="one")
    for method in ("ModelMetadata", "ModelConfig", "ModelStatistics"):
        with pytest.raises(NotFoundError):
            send(client, METHODS[method].request(name="nobody"), method)
        with pytest.raises(NotFoundError):
            send(client, METHODS[method].request(name="late", version="7"), method)


def test_bytes_that_are_no_message_are_invalid(client):
    call = client._channel.unary_unary(METHODS["ModelInfer"].path)
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff", timeout=5)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "3 bytes came that are no inference.ModelInferRequest" in caught.value.details()


def test_a_path_that_is_no_method_says_so(client):
    call = client._channel.unary_unary("/inference.GRPCInferenceService/Nothing")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert caught.value.details()


def test_a_server_side_timeout_is_kept(client):
    message = request()
    message.parameters["timeout"].int64_param = 1
    with pytest.raises(DeadlineError, match="deadline passed"):  # a microsecond is over before the queue is reached
        send(client, message)


def test_ids_that_do_not_fit_are_refused(client):
    message = request()
    message.parameters["ids"].string_param = "a\nb"
    with pytest.raises(InvalidInputError, match="2 ids came, the request has 1 rows"):
        send(client, message)
