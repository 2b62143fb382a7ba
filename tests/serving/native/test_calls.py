"""gRPC as it is on the wire, over both transports: content types, timeouts, metadata, compression, farewells."""

import gzip
import signal
import threading
import time
import zlib
from contextlib import suppress

import pytest
from hyperframe.frame import DataFrame, HeadersFrame, PingFrame

OK, CANCELLED, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = (
    0,
    1,
    3,
    4,
    5,
    12,
    13,
    14,
)
STREAM_CLOSED = 5
PROTOCOL_ERROR = 1


@pytest.fixture
def server(serve, wire_door):
    return serve(wire_door)


@pytest.fixture
def connection(server):
    with server.connect() as made:
        yield made
    assert server.seconds_to_answer() < 5


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"])
def test_content_types_of_grpc_are_taken(connection, kind):
    assert connection.answer(connection.ask(**{"content-type": kind})).scores() == [4.0]


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/grpcweb", ""])
def test_what_is_no_grpc_is_told_so_in_http(connection, wire_door, kind):
    told = connection.answer(connection.ask(**{"content-type": kind}))
    if wire_door == "native":
        assert told.fields[":status"] == "415"
        assert told.status is None
    else:  # gRPC's core takes any content type
        assert told.over


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_methods_other_than_post_get_no_answer(connection, method):
    told = connection.answer(connection.ask(**{":method": method}))
    assert told.status != OK


@pytest.mark.parametrize("path", ["/", "/inference.GRPCInferenceService/Nothing", "/a/b/c", "/" + "x" * 3000])
def test_unknown_paths_are_unimplemented(connection, path):
    told = connection.answer(connection.ask(method=path))
    assert told.status == UNIMPLEMENTED
    assert told.text


@pytest.mark.parametrize("timeout", ["1H", "60M", "99999999S", "30000m", "99999999u", "99999999H", "0099S"])
def test_timeouts_of_every_unit_are_understood(connection, timeout):
    assert connection.answer(connection.ask(**{"grpc-timeout": timeout})).scores() == [4.0]


@pytest.mark.parametrize("timeout", ["1n", "1u", "0m"])
def test_timeouts_that_are_over_at_once_end_at_once(connection, ask_for, timeout):
    start = time.monotonic()
    told = connection.answer(connection.ask(ask_for(model="slow", value=100.0), **{"grpc-timeout": timeout}))
    assert told.status == DEADLINE_EXCEEDED or told.reset is not None  # gRPC's core resets
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("timeout", ["", "m", "1", "-1S", "1s", "1.5S", "999999999S", "1 S", "1Sx"])
def test_timeouts_that_are_none_are_no_accident(connection, wire_door, timeout):
    told = connection.answer(connection.ask(**{"grpc-timeout": timeout}))
    if wire_door == "native":
        assert told.status == INVALID_ARGUMENT
        assert "grpc-timeout" in told.text
    else:
        assert told.over


def test_binary_metadata_is_taken_padded_or_not(connection):
    for value in ("AAEC/w==", "AAEC/w", ""):
        assert connection.answer(connection.ask(**{"x-trace-bin": value})).status == OK


def test_binary_metadata_that_is_no_base64_harms_nobody(connection):
    for value in ("!", "A", "AA==,A"):
        for ask in (connection.ask, lambda **fields: connection.ask(b"", "ServerLive", **fields)):
            assert connection.answer(ask(**{"x-trace-bin": value})).over
    assert connection.answer(connection.ask()).status == OK


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_requests_are_answered(connection, ask_for, frame_of, encoding, pack):
    stream = connection.begin(**{"grpc-encoding": encoding})
    connection.data(stream, frame_of(pack(ask_for(value=2.0).SerializeToString()), compressed=True), end=True)
    assert connection.answer(stream).scores() == [8.0]


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", b"no gzip"),
        ("snappy", b"x"),
        ("identity", b"x"),
        (None, b"x"),
        ("gzip", gzip.compress(b"x")[:9]),
    ],
)
def test_compressed_bytes_that_cannot_be_read_are_refused(connection, frame_of, encoding, content):
    stream = connection.begin(**({"grpc-encoding": encoding} if encoding else {}))
    connection.data(stream, frame_of(content, compressed=True), end=True)
    told = connection.answer(stream)
    assert told.status in {INVALID_ARGUMENT, UNIMPLEMENTED, INTERNAL}
    assert told.text
    assert "correlation" not in told.text


def test_a_small_message_that_unpacks_to_a_gigabyte_is_refused(connection, server, frame_of):
    packer = zlib.compressobj(9)
    bomb = packer.compress(b"") + b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    before = server.resident_bytes()
    stream = connection.begin(**{"grpc-encoding": "deflate"})
    connection.read_until(lambda: connection.windows[0] > len(bomb), 1)
    connection.data(stream, frame_of(bomb, compressed=True), end=True)
    assert connection.answer(stream).status != OK
    assert server.resident_bytes() - before < 300 << 20


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\0\0\0\0", b"\0\0\0\0\5ab", b"\2\0\0\0\0", b"\0\0\0\0\0\0\0\0\0\0", b"\0\0\0\0\1\x0a\0\0"]
)
def test_bodies_that_are_no_single_message_are_refused(connection, content):
    stream = connection.begin("ServerLive")
    connection.data(stream, content, end=True)
    told = connection.answer(stream)
    assert told.over
    assert content in (b"\2\0\0\0\0", b"\0\0\0\0\0\0\0\0\0\0") or told.status != OK  # the first message counts


def test_an_empty_message_is_a_message(connection, frame_of):
    stream = connection.begin("ServerLive")
    connection.data(stream, frame_of(b""), end=True)
    assert connection.answer(stream).status == OK


def test_a_request_in_single_bytes_is_read(connection, ask_for, frame_of):
    content = frame_of(ask_for().SerializeToString())
    stream = connection.begin()
    for at in range(len(content)):
        connection.send(DataFrame(stream, data=content[at : at + 1]))
    connection.send(DataFrame(stream, data=b"", flags=["END_STREAM"]))
    assert connection.answer(stream).scores() == [4.0]


def test_padding_is_ignored(connection, wire_door, ask_for, frame_of):
    if wire_door == "grpcio":
        pytest.skip("gRPC's core takes padding for a part of the message")
    stream = connection.begin()
    padded = DataFrame(
        stream, data=frame_of(ask_for().SerializeToString()), flags=["PADDED", "END_STREAM"], pad_length=200
    )
    connection.send(padded)
    assert connection.answer(stream).scores() == [4.0]


def test_trailers_of_a_request_end_it(connection, ask_for, frame_of):
    stream = connection.begin()
    connection.data(stream, frame_of(ask_for().SerializeToString()))
    block = connection._encoder.encode([("x-checksum", "1")])
    connection.send(HeadersFrame(stream, data=block, flags=["END_HEADERS", "END_STREAM"]))
    told = connection.answer(stream)
    assert told.status == OK or told.reset is not None  # gRPC's core refuses trailers of clients


def test_data_after_the_end_and_of_streams_that_never_were_are_violations(victim, ask_for):
    with victim.connect() as after:
        stream = after.ask(ask_for(model="slow", value=5.0))
        after.data(stream, b"more")
        after.read_until(lambda: after.closed or after.streams[stream].over, 5)
        assert after.closed or after.streams[stream].over
    for odd in (DataFrame(7, data=b"x"), HeadersFrame(2, data=b"\x82", flags=["END_HEADERS"])):
        with victim.connect() as never:
            never.send(odd)
            assert never.until_closed(5) in (PROTOCOL_ERROR, STREAM_CLOSED, None)


def test_a_window_that_overflows_is_a_violation(victim):
    with victim.connect() as connection:
        connection.send_bytes(b"\0\0\4\x08\0\0\0\0\0\x7f\xff\xff\xff" * 2)
        connection.until_closed(5)
        assert connection.goaway is None or connection.goaway.error_code == 3  # FLOW_CONTROL_ERROR


@pytest.mark.parametrize(
    "frame", [b"\0\0\5\6\0\0\0\0\0hello", b"\0\0\4\4\0\0\0\0\0abcd", b"\xff\xff\xff\0\0\0\0\0\1", b"\0\0\0\4\1\0\0\0\1"]
)
def test_frames_of_wrong_sizes_end_the_connection(server, frame):
    with server.connect() as connection:
        connection.send_bytes(frame)
        assert connection.until_closed(5) != 0


def test_pings_are_answered_with_their_content(connection):
    connection.send(PingFrame(0, opaque_data=b"headrace"))
    assert connection.read_until(lambda: connection.pongs == 1, 5)


def test_header_fields_above_the_limit_are_refused(connection, wire_door):
    told = connection.answer(connection.ask(**{"x-much": "m" * 40_000}))
    if wire_door == "native":  # gRPC's core has a view of its own of how much this is
        assert told.status == 8
        assert "at most 16384" in told.text
    assert connection.answer(connection.ask()).status == OK


def test_texts_of_errors_survive_whatever_is_in_them(connection, ask_for):
    for name in ("100% \u00e4\u00f6\u00fc \u2603", "line\nbreak\ttab", "x" * 3000, "\0", "%41"):
        told = connection.answer(connection.ask(ask_for(model=name)))
        assert told.status == NOT_FOUND
        assert name[:1000] in told.text


def test_a_connection_hears_of_the_drain_and_its_calls_are_answered(serve, wire_door, ask_for):
    """GOAWAY to all, an answer for what is in flight, UNAVAILABLE or nothing for what comes later, then the end."""
    doomed = serve(wire_door, drain_delay_s=0.0, grace_s=4.0)
    with doomed.connect() as busy, doomed.connect() as idle:
        stream = busy.ask(ask_for(model="slow", value=300.0))
        assert idle.answer(idle.ask()).status == OK
        time.sleep(0.05)
        doomed.process.send_signal(signal.SIGTERM)
        assert idle.read_until(lambda: idle.goaway is not None, 5)
        with suppress(BrokenPipeError, ConnectionResetError):  # it may be closed by now
            late = idle.ask()
            idle.read_until(lambda: idle.closed or idle.streams[late].over, 5)
            assert idle.streams[late].status in (None, OK, CANCELLED, UNAVAILABLE)  # cancelled: by gRPC's core
        told = busy.answer(stream, 10)
        assert told.scores() == [1200.0]
        idle.until_closed(10)
        busy.until_closed(10)
        assert busy.goaway.error_code == 0
    assert doomed.process.wait(20) == 0


@pytest.mark.slow
def test_old_and_idle_connections_are_told_to_go(serve, wire_door):
    limited = serve(wire_door, limits={"max_connection_age_s": 2.0, "max_connection_idle_s": 1.0})
    with limited.connect() as idle, limited.connect() as old:
        assert idle.answer(idle.ask()).status == OK
        start = time.monotonic()
        while not old.goaway and time.monotonic() - start < 8:
            if not old.closed:
                old.answer(old.ask())
            time.sleep(0.05)
        assert 1.0 < time.monotonic() - start < 5
        assert old.goaway.error_code == 0
        idle.until_closed(10)
        assert idle.goaway is not None


@pytest.mark.slow
def test_a_silent_client_is_pinged_and_a_dead_one_dropped(serve):
    limited = serve(limits={"keepalive_s": 1.0})
    with limited.connect() as alive, limited.connect(polite=False) as dead:
        stop = threading.Event()
        reader = threading.Thread(target=lambda: alive.read_until(stop.is_set, 6))
        reader.start()
        dead.until_closed(10)
        assert dead.pings >= 1
        assert not alive.closed
        stop.set()
        alive.send(PingFrame(0, opaque_data=b"wake  up"))
        reader.join()
        assert alive.pings >= 1
