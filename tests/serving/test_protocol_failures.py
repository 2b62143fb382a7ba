"""What nobody foresaw: the client gets a correlation id and nothing else, the log has the rest, the server goes on."""

import re
import threading

import grpc
import numpy as np
import pytest

from headrace.core.errors import HeadraceError
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

STREAM = METHODS["ModelStreamInfer"]
SECRET = "password in a message"  # noqa: S105


def question() -> pb.ModelInferRequest:
    """Typed, so that every front door hands it to the service."""
    message = pb.ModelInferRequest(model_name="late", id="r")
    message.inputs.add(name="features", datatype="FP32", shape=[1, 4]).contents.fp32_contents.extend([1, 2, 3, 4])
    return message


@pytest.fixture
def broken(start, monkeypatch):
    """A server whose service fails in a way that it does not know, until it is mended."""
    server, client = start()

    def fail(*_arguments):
        raise RuntimeError(SECRET)

    inference = server._assembly.application.service._inference
    monkeypatch.setattr(inference, "_run", fail)
    return client, monkeypatch.undo


def check_words(text: str, capfd) -> None:
    found = re.search(r"failed; correlation id ([0-9a-f]{12})$", text)
    assert found, text
    assert SECRET not in text
    logged = "".join(capfd.readouterr())
    assert found[1] in logged
    assert SECRET in logged


def test_a_unary_call_fails_with_a_correlation_id(broken, capfd):
    client, mend = broken
    with pytest.raises(HeadraceError) as caught:
        client._call("ModelInfer", question())
    check_words(caught.value.message, capfd)
    mend()
    assert client.infer("late", np.ones((1, 4), np.float32)).scores.tolist() == [1004.0]


def test_a_stream_goes_on_after_it(broken, capfd):
    client, mend = broken
    mended = threading.Event()

    def messages():
        yield question()
        mended.wait(20)
        yield question()

    with grpc.insecure_channel(client.address) as channel:
        call = channel.stream_stream(
            STREAM.path,
            request_serializer=STREAM.request.SerializeToString,
            response_deserializer=STREAM.response.FromString,
        )
        answers = call(messages(), timeout=20)
        first = next(answers)
        check_words(first.error_message, capfd)
        assert first.infer_response.id == "r"
        mend()
        mended.set()
        (second,) = answers
        assert not second.error_message
