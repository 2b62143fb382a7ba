import numpy as np
import pytest

from headrace.client.messages import InferCall, as_features, read_response
from headrace.core.errors import HeadraceError, InvalidInputError
from headrace.wire import inference_pb2 as pb
from headrace.wire.tensors import encode_raw


def answer(array: np.ndarray) -> pb.ModelInferResponse:
    message = pb.ModelInferResponse(model_name="late", model_version="3", id="r")
    message.outputs.add(name="score", datatype="FP32", shape=array.shape)
    message.raw_output_contents.append(encode_raw(array))
    return message


def test_a_call_is_one_raw_tensor_with_its_parameters():
    features = np.array([[1, np.nan], [3, 4]], np.float32)
    message = InferCall("late", features, "3", "r", ["a", "b"], "key").to_message()
    assert (message.model_name, message.model_version, message.id) == ("late", "3", "r")
    assert [(t.name, t.datatype, list(t.shape)) for t in message.inputs] == [("features", "FP32", [2, 2])]
    assert message.raw_input_contents[0] == features.tobytes()
    assert message.parameters["ids"].string_param == "a\nb"
    assert message.parameters["routing_key"].string_param == "key"


@pytest.mark.parametrize(
    ("values", "words"),
    [(np.zeros(3), r"shape \[3\], expected \[rows, features\]"), ([["a"]], "not numbers"), (5.0, r"shape \[\]")],
)
def test_features_that_are_no_matrix_are_refused(values, words):
    with pytest.raises(InvalidInputError, match=words):
        as_features(values)


def test_one_output_a_row_is_a_vector_and_several_are_a_matrix():
    assert read_response(answer(np.ones((3, 1), np.float32))).scores.shape == (3,)
    assert read_response(answer(np.ones((3, 4), np.float32))).scores.shape == (3, 4)
    result = read_response(answer(np.ones((3, 1), np.float32)))
    assert (result.model, result.model_version, result.request_id) == ("late", "3", "r")
    assert result.outputs["score"].shape == (3, 1)


def test_an_answer_that_breaks_the_protocol_is_an_error():
    message = answer(np.ones((3, 1), np.float32))
    message.raw_output_contents.append(b"")
    with pytest.raises(HeadraceError, match="1 outputs and 2 raw contents"):
        read_response(message)
