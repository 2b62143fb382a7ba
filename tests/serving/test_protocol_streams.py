"""ModelStreamInfer over a real port: one answer a request, in order, errors inside of the stream."""

import queue
import threading
from collections.abc import Iterator

import grpc
import numpy as np
import pytest

from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS
from headrace.wire.tensors import encode_raw

STREAM = METHODS["ModelStreamInfer"]


def question(value: float, name: str = "", **changes) -> pb.ModelInferRequest:
    row = np.full((1, 4), value, np.float32)
    message = pb.ModelInferRequest(**({"model_name": "late", "id": name} | changes))
    message.inputs.add(name="features", datatype="FP32", shape=row.shape)
    message.raw_input_contents.append(encode_raw(row))
    return message


def score(answer: pb.ModelStreamInferResponse) -> float:
    assert not answer.error_message, answer.error_message
    return float(np.frombuffer(answer.infer_response.raw_output_contents[0], "<f4")[0])


class Stream:
    """A client's end of a stream that a test feeds message by message."""

    def __init__(self, channel: grpc.Channel, timeout: float) -> None:
        self._messages: queue.SimpleQueue = queue.SimpleQueue()
        call = channel.stream_stream(
            STREAM.path,
            request_serializer=lambda message: message if isinstance(message, bytes) else message.SerializeToString(),
            response_deserializer=STREAM.response.FromString,
        )
        self.answers = call(iter(self._messages.get, None), timeout=timeout)

    def send(self, *messages) -> None:
        for message in messages:
            self._messages.put(message)

    def close(self) -> list:
        """Send no more; what is still to come."""
        self._messages.put(None)
        return list(self.answers)


@pytest.fixture
def server(start):
    return start()


@pytest.fixture
def stream(server) -> Iterator[Stream]:
    with grpc.insecure_channel(server[1].address) as channel:
        yield Stream(channel, timeout=30)


@pytest.fixture
def slow_server(start, world, slow_model):
    world.register(slow_model(), name="slow")
    world.releases.adopt("slow", 1, reason="first")
    return start(world, models=("slow@champion",))


def turns(number: float, name: str = "") -> pb.ModelInferRequest:
    """Ask the slow model for so many turns of its loop."""
    return question(number, name, model_name="slow")


def test_each_request_has_its_answer_in_order_and_the_stream_ends_with_the_client(stream):
    stream.send(*(question(value, f"r{value}") for value in range(100)))
    answers = stream.close()
    assert [answer.infer_response.id for answer in answers] == [f"r{value}" for value in range(100)]
    assert [score(answer) for answer in answers] == [1000.0 + 4 * value for value in range(100)]
    assert all(answer.infer_response.parameters["triton_final_response"].bool_param for answer in answers)


def test_errors_come_in_their_place_with_the_id_and_the_stream_goes_on(stream):
    wrong = question(0, "wrong-shape")
    wrong.inputs[0].shape[1] = 5
    stream.send(question(1, "a"), wrong, question(2, "nobody", model_name="nobody"), b"\xff\xff", question(3, "b"))
    a, shape, nobody, noise, b = stream.close()
    assert (score(a), score(b)) == (1004.0, 1012.0)
    assert shape.infer_response.id == "wrong-shape"
    assert "[1, 5] came, expected [-1, 4]" in shape.error_message
    assert not shape.infer_response.parameters
    assert nobody.infer_response.id == "nobody"
    assert "model 'nobody' is not served here" in nobody.error_message
    assert noise.error_message == "2 bytes came that are no inference.ModelInferRequest message"


def test_an_answer_does_not_wait_for_the_next_request(stream):
    for value in range(3):
        stream.send(question(value))
        assert score(next(stream.answers)) == 1000.0 + 4 * value
    assert stream.close() == []


def test_requests_of_one_stream_share_batches(slow_server):
    _, client = slow_server
    with grpc.insecure_channel(client.address) as channel:
        stream = Stream(channel, timeout=60)
        stream.send(turns(2_000), *(turns(0) for _ in range(8)))
        assert [score(answer) for answer in stream.close()] == [8000.0] + [0.0] * 8
    (stats,) = client._call("ModelStatistics", pb.ModelStatisticsRequest(name="slow")).model_stats
    assert stats.inference_stats.success.count == 9
    assert stats.execution_count < 9


def test_a_client_that_goes_takes_its_requests_with_it(slow_server):
    server, client = slow_server
    queue_of_version = server._assembly.manager.fleet.deployment("slow").champion.queue
    with grpc.insecure_channel(client.address) as channel:
        stream = Stream(channel, timeout=60)
        stream.send(turns(3_000), *(turns(0) for _ in range(20)))
        while not queue_of_version.waiting_rows:
            threading.Event().wait(0.001)
        stream.answers.cancel()
    assert client.infer("slow", np.zeros((1, 4), np.float32)).scores.tolist() == [0.0]
    assert queue_of_version.waiting_rows == 0


def test_the_deadline_of_the_stream_is_each_requests_deadline(slow_server):
    _, client = slow_server
    with grpc.insecure_channel(client.address) as channel:
        stream = Stream(channel, timeout=0.2)
        stream.send(turns(10_000))  # many times the deadline on any machine
        with pytest.raises(grpc.RpcError) as caught:
            stream.close()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_timeout_of_one_request_is_an_error_in_the_stream(stream):
    late = question(1, "late")
    late.parameters["timeout"].int64_param = 1
    stream.send(late, question(2))
    error, answer = stream.close()
    assert "deadline passed" in error.error_message
    assert score(answer) == 1008.0


def test_a_stream_without_requests_ends_well(stream):
    assert stream.close() == []
