"""Clients that are slow, that stop in the middle, or that never read: they cost little, and not for ever."""

import threading
import time

import pytest
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, RstStreamFrame, WindowUpdateFrame

from headrace.wire import inference_pb2 as pb

RESOURCE_EXHAUSTED = 8
NOT_FOUND = 5
DEADLINE_EXCEEDED = 4


def test_a_huge_declared_length_is_refused_before_it_comes(victim, frame_of):
    with victim.connect() as connection:
        stream = connection.begin()
        connection.data(stream, frame_of(b"few", length=2**32 - 1))
        told = connection.answer(stream, 5)
        assert told.status == RESOURCE_EXHAUSTED
        assert "4294967295 bytes came; at most 67108864" in told.text


def test_a_message_above_the_limit_is_refused_and_one_at_the_limit_is_read(serve, frame_of):
    small = serve(limits={"max_message_bytes": 100_000})
    with small.connect() as connection:
        connection.read_until(lambda: connection.windows[0] > 100_001, 5)
        big = connection.ask(bytes(100_001))
        assert connection.answer(big).status == RESOURCE_EXHAUSTED
        just = connection.ask(b"\x0a\x9c\x8d\x06" + b"m" * 99_996)  # a model's name, for the rest of the message
        assert connection.answer(just).status == NOT_FOUND


def test_a_stream_takes_messages_larger_than_its_window(victim, ask_for, frame_of):
    """A message of several megabytes comes whole, though the window of a stream is one."""
    message = ask_for()
    message.parameters["padding"].string_param = "x" * 5_000_000
    with victim.connect() as connection:
        stream = connection.begin("ModelStreamInfer")
        for _ in range(2):
            _send_within_windows(connection, stream, frame_of(message.SerializeToString()))
        connection.data(stream, frame_of(ask_for(id="after").SerializeToString()), end=True)
        told = connection.answer(stream)
        assert told.status == 0, told.text
        assert _messages(told.body)[-1].infer_response.id == "after"


def _send_within_windows(connection, stream, content):
    """As much as the server lets us: the test fails where it lets us no further."""
    sent = 0
    while sent < len(content):
        connection.read_until(lambda: connection.windows.get(stream, 0) > 0 and connection.windows.get(0, 0) > 0, 5)
        room = min(connection.windows.get(stream, 0), connection.windows.get(0, 0), 16_384)
        assert room > 0, f"the server stopped reading after {sent} of {len(content)} bytes"
        connection.send(DataFrame(stream, data=content[sent : sent + room]))
        connection.windows[stream] -= room
        connection.windows[0] -= room
        sent += room


def _messages(body):
    found = []
    while body:
        size = int.from_bytes(body[1:5], "big")
        found.append(pb.ModelStreamInferResponse.FromString(body[5 : 5 + size]))
        body = body[5 + size :]
    return found


def test_a_stream_that_breaks_while_its_answer_waits_ends_with_the_answer_whole(victim, ask_for, frame_of):
    """The client has read ten bytes of an answer when its next message declares too much: no byte is made up."""
    with victim.connect(INITIAL_WINDOW_SIZE=10, polite=False) as connection:
        stream = connection.begin("ModelStreamInfer")
        connection.data(stream, frame_of(ask_for(id="whole").SerializeToString()))
        connection.read_until(lambda: len(connection.streams[stream].body) == 10, 5)
        connection.data(stream, frame_of(b"", length=2**31))
        connection.read_until(lambda: False, 0.1)
        connection.send(WindowUpdateFrame(stream, window_increment=1 << 20))
        told = connection.answer(stream)
        (answer,) = _messages(told.body)
        assert answer.infer_response.id == "whole"
        assert told.status == RESOURCE_EXHAUSTED


@pytest.mark.slow
def test_answers_that_nobody_reads_cost_bounded_memory(victim, ask_for):
    """Hundreds of answers of four megabytes for a client whose window stays shut: most are refused."""
    message = ask_for(rows=256, model="wide").SerializeToString()
    before = victim.resident_bytes()
    with victim.connect(INITIAL_WINDOW_SIZE=0, polite=False) as connection:
        streams = [connection.ask(message) for _ in range(400)]
        told = connection.streams
        connection.read_until(lambda: sum(told[stream].over for stream in streams) >= 300, 30)
        refused = [stream for stream in streams if told[stream].over]
        assert len(refused) >= 300
        assert {told[stream].status for stream in refused} == {RESOURCE_EXHAUSTED}
        assert victim.seconds_to_answer() < 5
        assert victim.resident_bytes() - before < 400 << 20


@pytest.mark.slow
def test_who_stops_in_the_middle_is_given_up_after_half_a_minute(victim, ask_for, frame_of):
    """Stopped within the header fields, within the message, before reading an answer: each on its own connection."""
    message = ask_for().SerializeToString()
    with (
        victim.connect() as in_headers,
        victim.connect() as in_body,
        victim.connect(INITIAL_WINDOW_SIZE=0, polite=False) as unread,
        victim.connect() as trickling,
    ):
        in_headers.send(HeadersFrame(1, data=b"\x83"))
        body = in_body.begin()
        in_body.data(body, frame_of(message)[:20])
        answer = unread.ask(message)
        slow = trickling.begin()
        over = threading.Event()

        def trickle():
            for byte in frame_of(message):
                if over.wait(1):
                    return
                try:
                    trickling.send(DataFrame(slow, data=bytes([byte])))
                except OSError:
                    return

        writer = threading.Thread(target=trickle)
        writer.start()
        try:
            assert in_body.answer(body, 45).status == DEADLINE_EXCEEDED
            assert trickling.answer(slow, 15).status == DEADLINE_EXCEEDED
            told = unread.answer(answer, 15)
            assert told.reset is not None
            in_headers.read_until(lambda: in_headers.closed or in_headers.streams.get(1), 1)
        finally:
            over.set()
            writer.join()


@pytest.mark.slow
def test_an_answer_that_is_read_slowly_comes_whole(victim, ask_for):
    with victim.connect(INITIAL_WINDOW_SIZE=0, polite=False) as connection:
        stream = connection.ask(ask_for(rows=16, model="wide"))
        told = connection.streams[stream]
        while not told.over:
            connection.send(
                WindowUpdateFrame(stream, window_increment=8192), WindowUpdateFrame(0, window_increment=8192)
            )
            connection.read_until(lambda: told.over, 0.002)
        assert told.scores() == [4.0] * 16 * 4096


@pytest.mark.slow
def test_a_client_that_leaves_its_answers_in_the_socket_delays_nobody(victim, ask_for):
    message = ask_for(rows=64, model="wide").SerializeToString()
    with victim.connect(INITIAL_WINDOW_SIZE=2**31 - 1, polite=False) as connection:
        connection.send(WindowUpdateFrame(0, window_increment=2**31 - 1 - 65_535))
        for _ in range(100):
            connection.ask(message)
        time.sleep(0.2)
        assert max(victim.seconds_to_answer() for _ in range(10)) < 1


def test_header_fields_that_come_piece_by_piece_are_read(victim, told, frame_of):
    with victim.connect() as connection:
        block = connection._encoder.encode(
            [
                *((":method", "POST"), (":scheme", "http"), (":path", "/inference.GRPCInferenceService/ServerLive")),
                *((":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers")),
            ]
        )
        connection.streams[1] = told()
        connection.send(HeadersFrame(1, data=block[:5]))
        time.sleep(0.02)
        connection.send(
            ContinuationFrame(1, data=block[5:9]), ContinuationFrame(1, data=block[9:], flags=["END_HEADERS"])
        )
        connection.data(1, frame_of(b""), end=True)
        assert connection.answer(1).status == 0


def test_resets_at_every_moment_disturb_nobody(victim, ask_for, frame_of):
    """Reset after the header fields, within the message, before and during the batch; the neighbours are answered."""
    content = frame_of(ask_for().SerializeToString())
    with victim.connect() as connection:
        for cut in (0, 1, 5, 20, len(content) - 1, len(content)):
            neighbours = [connection.ask(ask_for(value=3.0))]
            stream = connection.begin()
            connection.data(stream, content[:cut], end=cut == len(content))
            connection.send(RstStreamFrame(stream, error_code=8))
            neighbours.append(connection.ask(ask_for(value=5.0)))
            assert [connection.answer(one).scores() for one in neighbours] == [[12.0], [20.0]]
