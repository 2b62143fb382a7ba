"""Clients that send what costs the server work and them nothing: they are cut off, others are answered meanwhile."""

import socket
import threading
import time

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    ExtensionFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PROTOCOL_ERROR = 1
REFUSED_STREAM = 7
ENHANCE_YOUR_CALM = 11
FRAMES = 20_000


def pings(connection):
    return [PingFrame(0, opaque_data=b"12345678")]


def settings(connection):
    return [SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65_535})]


def empty_data(connection):
    return [DataFrame(connection.open_stream, data=b"")]


def priorities(connection):
    return [PriorityFrame(connection.open_stream, depends_on=0, stream_weight=3)]


def resets(connection):
    stream = connection.begin()
    return [RstStreamFrame(stream, error_code=8)]


def resets_of_whole_calls(connection):
    stream = connection.ask()
    return [RstStreamFrame(stream, error_code=8)]


def bad_window_updates(connection):
    """Each is a stream error, which the server answers with a reset."""
    stream = connection.begin()
    return [WindowUpdateFrame(stream, window_increment=2**31 - 1)]


FLOODS = [pings, settings, empty_data, priorities, resets, resets_of_whole_calls, bad_window_updates]


def flood(connection, make):
    """Send until the server has had enough."""
    connection.open_stream = connection.begin()
    for count in range(FRAMES):
        try:
            connection.send(*make(connection))
        except OSError:
            return
        if count % 100 == 0 and connection.read_until(lambda: connection.closed, 0.0001):
            return


@pytest.mark.slow
@pytest.mark.parametrize("make", FLOODS)
def test_a_flood_ends_with_the_connection_and_others_are_answered(victim, make):
    before = victim.resident_bytes()
    with victim.connect() as connection:
        flooding = threading.Thread(target=flood, args=(connection, make))
        flooding.start()
        waited = [victim.seconds_to_answer() for _ in range(10)]
        flooding.join(30)
        assert not flooding.is_alive()
        ended = connection.until_closed(10)
    if make is bad_window_updates and ended == PROTOCOL_ERROR:  # too many streams, none reset yet
        assert b"max concurrent streams exceeded" in connection.goaway.additional_data
    else:
        assert ended in (ENHANCE_YOUR_CALM, None)  # None: a reset overtook the farewell
    assert max(waited) < 1.0
    assert victim.resident_bytes() - before < 50 << 20


@pytest.mark.parametrize("make", [pings, settings, resets])
def test_what_a_client_does_now_and_then_is_no_flood(victim, make):
    with victim.connect() as connection:
        connection.open_stream = connection.begin()
        for _ in range(300):
            connection.send(*make(connection))
        assert connection.answer(connection.ask()).status == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "frame", [ExtensionFrame(type=0xBA, stream_id=0, body=b""), WindowUpdateFrame(0, window_increment=1)]
)
def test_frames_that_cost_nothing_starve_nobody(victim, frame):
    """They are read as fast as they come; each other client has its turn in between."""
    block = frame.serialize() * 50_000
    over = threading.Event()

    def pour():
        with victim.connect() as connection:
            while not over.is_set():
                try:
                    connection.send_bytes(block)
                except OSError:
                    return

    pouring = threading.Thread(target=pour)
    pouring.start()
    try:
        waited = [victim.seconds_to_answer() for _ in range(20)]
    finally:
        over.set()
        pouring.join(20)
    assert sorted(waited)[10] < 0.5
    assert max(waited) < 2


@pytest.mark.parametrize("size", [0, 1000, 16_000])
def test_header_fields_without_an_end_are_refused(victim, size):
    before = victim.resident_bytes()
    with victim.connect() as connection:
        connection.send(HeadersFrame(1, data=b"\0\1a\1b"))
        block = (b"\0\x7f\x80\x07" + b"x" * 1023 + b"\1y") * (size // 1000 + 1)
        for _ in range(2000):
            try:
                connection.send(ContinuationFrame(1, data=block[:size]))
            except OSError:
                break
        connection.until_closed(10)
    assert victim.resident_bytes() - before < 30 << 20


def test_a_small_block_that_unpacks_to_much_is_refused(victim):
    """HPACK: one long field in the table, then thousands of references of one byte each."""
    before = victim.resident_bytes()
    with victim.connect() as connection:
        field = b"\x40\1a\x7f\xa1\x1e" + b"x" * 4000
        for stream in (1, 3, 5):
            connection.send(HeadersFrame(stream, data=field + b"\xbe" * 8000, flags=["END_HEADERS"]))
        connection.read_until(lambda: connection.closed or 5 in connection.streams, 5)
    assert victim.resident_bytes() - before < 30 << 20


@pytest.mark.parametrize(
    "greeting",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        bytes(64),
        b"PRI * HTTP/2.0",
    ],
)
def test_what_is_no_http2_is_cut_off(victim, greeting):
    with victim.connect(preface=b"", polite=False) as connection:
        connection.send_bytes(greeting)
        if not b"PRI * HTTP/2.0\r\n\r\n".startswith(greeting):
            connection.until_closed(5)


def test_who_says_nothing_is_cut_off_after_a_while(serve):
    impatient = serve(limits={"handshake_s": 0.5})
    rude = {"preface": b"", "polite": False}
    with impatient.connect(**rude) as silent, impatient.connect(**rude) as slow:
        slow.send_bytes(b"PRI * HT")
        start = time.monotonic()
        silent.until_closed(5)
        slow.until_closed(5)
        assert 0.4 < time.monotonic() - start < 3


@pytest.mark.slow
def test_a_thousand_idle_connections_cost_little_and_delay_nobody(victim):
    before, files = victim.resident_bytes(), victim.open_files()
    idle = [victim.connect() for _ in range(1000)]
    assert max(victim.seconds_to_answer() for _ in range(10)) < 1
    held = victim.resident_bytes() - before
    assert held < 250 << 20
    for connection in idle:
        connection.close()
    limit = time.monotonic() + 10
    while victim.open_files() > files + 5:
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_connections_beyond_the_limit_are_closed_and_room_is_found_again(serve):
    small = serve(limits={"max_connections": 3})
    first = [small.connect() for _ in range(3)]
    for connection in first:
        assert connection.answer(connection.ask()).status == 0
    with small.connect() as fourth:
        fourth.until_closed(5)
    first.pop().close()
    limit = time.monotonic() + 5
    while True:
        with small.connect() as again:
            stream = again.begin()
            again.data(stream, b"\0\0\0\0\0", end=True)
            if again.read_until(lambda again=again, stream=stream: again.streams[stream].over, 1):
                break
        assert time.monotonic() < limit
    for connection in first:
        connection.close()


def test_more_streams_than_allowed_are_refused_or_end_the_connection(serve):
    """Refused one by one while the client may not know the limit; once it has acknowledged it, it is a violation."""
    small = serve(limits={"max_streams": 4})
    with small.connect(polite=False) as connection:
        streams = [connection.begin() for _ in range(6)]
        connection.read_until(lambda: connection.streams[streams[-1]].over, 5)
        assert [connection.streams[stream].reset for stream in streams] == [None] * 4 + [REFUSED_STREAM] * 2
        connection.send(SettingsFrame(0, flags=["ACK"]))
        connection.begin()
        assert connection.until_closed(5) == PROTOCOL_ERROR


def test_a_connection_that_is_torn_down_leaves_nothing(victim):
    files = victim.open_files()
    for _ in range(50):
        connection = victim.connect()
        connection.ask()
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    limit = time.monotonic() + 5
    while victim.open_files() > files:
        assert time.monotonic() < limit
        time.sleep(0.01)
