"""Servers that do not keep to the protocol: the generator says so, and neither hangs nor crashes."""

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from headrace.core.errors import UnavailableError
from headrace.load import Content, Endpoint, LoadPlan, run_load
from headrace.load.bodies import Bodies

pytestmark = pytest.mark.slow

BODIES = Bodies((b"\0\0\0\0\x02hi",) * 3)
CHECKED = Bodies(BODIES.framed, (b"\0\0\0\0",) * 3)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


SETTINGS = frame(4, 0, 0, b"")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def finished_streams(connection: socket.socket) -> Iterator[int]:
    """Number of each stream whose request has come whole."""
    with connection.makefile("rb") as reader:
        assert reader.read(len(PREFACE)) == PREFACE
        while head := reader.read(9):
            reader.read(int.from_bytes(head[:3], "big"))
            if head[3] == 0 and head[4] & 1:
                yield int.from_bytes(head[5:9], "big")


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen, and let `answer` deal with each connection in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                answer(connection)
            except OSError:
                return  # the generator went away first

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(5)
            threads.append(threading.Thread(target=talk, args=(connection,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (acceptor, *threads):
            thread.join(10)


def load(address: str, bodies: Bodies = BODIES):
    plan = LoadPlan(
        Endpoint(address),
        Content("m"),
        in_flight=2,
        connections=1,
        warmup_s=0,
        duration_s=0.4,
        drain_s=0.3,
    )
    return run_load(plan, bodies=bodies)


def test_what_is_no_http2_is_not_loaded(extension):
    with (
        answering(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9)) as address,
        pytest.raises(UnavailableError, match="no server answers"),
    ):
        load(address)


def test_a_server_that_closes_at_once_is_not_loaded(extension):
    with (
        answering(lambda connection: connection.recv(1)) as address,
        pytest.raises(UnavailableError, match="no server answers"),
    ):
        load(address)


def test_noise_after_a_good_start_loses_the_connection_and_what_was_on_it(extension):
    noise = random.Random(5)

    def answer(connection: socket.socket) -> None:
        connection.sendall(SETTINGS)
        connection.recv(4096)
        connection.sendall(noise.randbytes(3000))
        connection.recv(4096)

    with answering(answer) as address:
        result = load(address)
    assert result.ok.answers == 0
    assert result.statuses["UNAVAILABLE"].answers > 0
    assert any("connection lost" in text for _, text, _ in result.observed.messages), result.observed.messages


def test_a_server_that_never_answers_leaves_requests_unanswered(extension):
    def answer(connection: socket.socket) -> None:
        connection.sendall(SETTINGS)
        while connection.recv(4096):
            pass

    with answering(answer) as address:
        result = load(address)
    assert result.observed.unanswered == 2
    assert result.errors == 2
    assert any("no answer" in text for text in result.warnings)


@pytest.mark.parametrize(
    ("message", "mismatch"),
    [
        (b"\0\0\0\0\x06\x32\x04\0\0\0\0", False),
        (b"\0\0\0\0\x06\x32\x04\0\0\x80\x3f", True),  # another number
        (b"\0\0\0\0\x06\x32\x7f\0\0\0\0", True),  # a length beyond the message
        (b"\0\0\0\0\x0a" + b"\xff" * 10, True),  # no varint
        (b"\0\0\0\0\x01\x07", True),  # a wire type that does not exist
        (b"\x01\0\0\0\x06\x32\x04\0\0\0\0", True),  # compressed, which was not asked for
        (b"\0\0", True),
        (b"", True),
    ],
)
def test_answers_are_read_within_their_bounds(extension, message, mismatch):
    def answer(connection: socket.socket) -> None:
        connection.sendall(SETTINGS)
        for stream in finished_streams(connection):
            data = frame(0, 0, stream, message) if message else b""
            # :status 200, and in the trailers grpc-status 0 as a literal
            connection.sendall(frame(1, 4, stream, b"\x88") + data + frame(1, 5, stream, b"\x00\x0bgrpc-status\x010"))

    with answering(answer) as address:
        check = load(address, CHECKED).observed.check
    assert check.checked > 0
    assert (check.mismatches == check.checked) is mismatch
    assert (check.mismatches == 0) is not mismatch
