"""A hand-made HTTP/2 client that may do anything, and servers that live through a whole session of it."""

from __future__ import annotations

import dataclasses
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import unquote_to_bytes

import hpack
import numpy as np
import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from headrace.serving.transport.choice import native_missing
from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS
from headrace.wire.tensors import encode_raw

FEATURES = 4
MODELS = Path(__file__).with_name("make_models.py")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SERVE = """
import json, sys
from headrace.core.logging import configure_logging
from headrace.serving import serve
from headrace.serving.workers.settings import read_settings
configure_logging("json")
serve(read_settings(json.loads(sys.argv[1])))
"""
DOORS = (
    "grpcio",
    pytest.param("native", marks=pytest.mark.skipif(native_missing(tls=False) is not None, reason="not built here")),
)


def question(rows=1, model="late", value=1.0, **fields) -> pb.ModelInferRequest:
    values = np.full((rows, FEATURES), value, np.float32)
    message = pb.ModelInferRequest(model_name=model, **fields)
    message.inputs.add(name="features", datatype="FP32", shape=values.shape)
    message.raw_input_contents.append(encode_raw(values))
    return message


def framed(message: bytes, *, compressed: bool = False, length: int | None = None) -> bytes:
    size = len(message) if length is None else length
    return bytes([compressed]) + size.to_bytes(4, "big") + message


@dataclasses.dataclass
class Told:
    """What the server has said on one stream."""

    fields: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None
    at: float = 0.0

    @property
    def status(self) -> int | None:
        return int(self.fields["grpc-status"]) if "grpc-status" in self.fields else None

    @property
    def text(self) -> str:
        return unquote_to_bytes(self.fields.get("grpc-message", "")).decode()

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None

    def scores(self) -> list[float]:
        assert self.status == 0, (self.status, self.text)
        answer = pb.ModelInferResponse.FromString(self.body[5:])
        return np.frombuffer(answer.raw_output_contents[0], "<f4").tolist()


class RawConnection:
    """One connection, frame by frame. It acknowledges SETTINGS and PING and opens windows unless told to be rude."""

    def __init__(self, address: str, *, preface: bytes = PREFACE, polite: bool = True, **settings: int) -> None:
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        self.polite = polite
        self.streams: dict[int, Told] = {}
        self.windows = {0: 65_535}
        self.goaway: GoAwayFrame | None = None
        self.pongs = 0
        self.pings = 0
        self.closed = False
        self._received = b""
        self._held: bytes | None = None
        self._encoder = hpack.Encoder()
        self._decoder = hpack.Decoder()
        self._window = 65_535
        self._next = 1
        if preface:
            wanted = {getattr(SettingsFrame, name): value for name, value in settings.items()}
            self.send_bytes(preface + SettingsFrame(0, settings=wanted).serialize())

    def send_bytes(self, content: bytes) -> None:
        if self._held is None:
            self.socket.sendall(content)
        else:
            self._held += content

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send what is said within at once, so that the server reads it in one turn."""
        self._held = b""
        yield
        content, self._held = self._held, None
        self.send_bytes(content)

    def send(self, *frames: Frame) -> None:
        self.send_bytes(b"".join(frame.serialize() for frame in frames))

    def begin(self, method="ModelInfer", *, end=False, drop=(), **fields: str) -> int:
        """HEADERS of a call; its stream."""
        path = METHODS[method].path if method in METHODS else method
        wanted = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test"}
        wanted |= {"content-type": "application/grpc", "te": "trailers"}
        wanted |= {name.replace("_", "-"): value for name, value in fields.items()}
        block = self._encoder.encode([(name, value) for name, value in wanted.items() if name not in drop])
        stream, self._next = self._next, self._next + 2
        self.streams[stream] = Told()
        self.windows[stream] = self._window
        first, rest = block[:16384], block[16384:]
        flags = [*([] if rest else ["END_HEADERS"]), *(["END_STREAM"] if end else [])]
        self.send(HeadersFrame(stream, data=first, flags=flags))
        while rest:
            part, rest = rest[:16384], rest[16384:]
            self.send(_continuation(stream, part, last=not rest))
        return stream

    def data(self, stream: int, content: bytes, *, end: bool = False) -> None:
        for at in range(0, max(1, len(content)), 16384):
            last = end and at + 16384 >= len(content)
            self.send(DataFrame(stream, data=content[at : at + 16384], flags=["END_STREAM"] if last else []))

    def ask(self, message: pb.ModelInferRequest | bytes | None = None, method="ModelInfer", **fields: str) -> int:
        """A whole unary call; its stream."""
        content = question() if message is None else message
        stream = self.begin(method, **fields)
        self.data(stream, framed(content if isinstance(content, bytes) else content.SerializeToString()), end=True)
        return stream

    def answer(self, stream: int, timeout: float = 20.0) -> Told:
        told = self.streams[stream]
        self.read_until(lambda: told.over, timeout)
        assert told.over, f"stream {stream} is not over after {timeout} s; closed={self.closed} {self.goaway}"
        return told

    def read_until(self, done: Callable[[], bool], timeout: float = 20.0) -> bool:
        """Read frames until it is done, the server closes, or time is up; whether it is done."""
        limit = time.monotonic() + timeout
        while not done() and not self.closed and (left := limit - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                content = self.socket.recv(1 << 20)
            except TimeoutError:
                break
            except OSError:
                content = b""
            self.closed = not content
            self._received += content
            self._take_frames()
        return done()

    def until_closed(self, timeout: float = 20.0) -> int | None:
        """Wait for the server to close; the code of its GOAWAY, or None."""
        self.read_until(lambda: self.closed, timeout)
        assert self.closed, f"the server has not closed after {timeout} s"
        return self.goaway.error_code if self.goaway else None

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_frames(self) -> None:
        while len(self._received) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._received[:9]))
            if len(self._received) < 9 + length:
                return
            frame.parse_body(memoryview(self._received[9 : 9 + length]))
            self._received = self._received[9 + length :]
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        told = self.streams.setdefault(frame.stream_id, Told())
        told.at = time.monotonic()
        if frame.stream_id == 0:
            self._take_control(frame)
        match frame:
            case DataFrame():
                told.body += frame.data
                if self.polite and frame.flow_controlled_length:
                    opened = [
                        WindowUpdateFrame(s, window_increment=frame.flow_controlled_length)
                        for s in (0, frame.stream_id)
                    ]
                    self._try(*opened[: 1 if "END_STREAM" in frame.flags else 2])
            case HeadersFrame():
                assert "END_HEADERS" in frame.flags
                told.fields |= {str(name): str(value) for name, value in self._decoder.decode(frame.data)}
            case RstStreamFrame():
                told.reset = frame.error_code
            case WindowUpdateFrame():
                self.windows[frame.stream_id] = self.windows.get(frame.stream_id, 0) + frame.window_increment
        told.ended |= "END_STREAM" in frame.flags

    def _take_control(self, frame: Frame) -> None:
        match frame:
            case GoAwayFrame():
                self.goaway = frame
            case SettingsFrame() if "ACK" not in frame.flags:
                window = frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, self._window)
                self.windows = {of: left + (window - self._window if of else 0) for of, left in self.windows.items()}
                self._window = window
                if self.polite:
                    self._try(SettingsFrame(0, flags=["ACK"]))
            case PingFrame():
                self.pongs += "ACK" in frame.flags
                self.pings += "ACK" not in frame.flags
                if "ACK" not in frame.flags and self.polite:
                    self._try(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))

    def _try(self, *frames: Frame) -> None:
        try:
            self.send(*frames)
        except OSError:
            self.closed = True


def _continuation(stream: int, block: bytes, *, last: bool) -> Frame:
    return ContinuationFrame(stream, data=block, flags=["END_HEADERS"] if last else [])


@dataclasses.dataclass
class Victim:
    """A server process that many tests attack."""

    process: subprocess.Popen
    address: str
    log: Path

    def connect(self, **given: object) -> RawConnection:
        return RawConnection(self.address, **given)

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def seconds_to_answer(self) -> float:
        """How long a well-behaved newcomer waits for its answer, connecting included."""
        start = time.monotonic()
        with self.connect() as newcomer:
            assert newcomer.answer(newcomer.ask(question(value=2.0)), 10).scores() == [2.0 * FEATURES]
        return time.monotonic() - start


@pytest.fixture(scope="session")
def serve(tmp_path_factory) -> Iterator[Callable[..., Victim]]:
    """A server for a door and settings, the same one whenever they are the same; all must be alive at the end."""
    folder = tmp_path_factory.mktemp("victims")
    subprocess.run([sys.executable, MODELS, folder / "models"], check=True)
    running: dict[str, Victim] = {}

    def start(door: str = "native", **settings: object) -> Victim:
        given = {"door": door, "repository": str(folder / "models"), "port": 0, "metrics_port": None, "grace_s": 2.0}
        key = json.dumps(given | settings, sort_keys=True)
        if key not in running:
            number = len(running)
            ready, log = folder / f"ready-{number}.json", folder / f"server-{number}.log"
            with log.open("wb") as out:
                document = json.dumps(given | settings | {"ready_file": str(ready)})
                process = subprocess.Popen([sys.executable, "-W", "error", "-c", SERVE, document], stderr=out)
            limit = time.monotonic() + 60
            while not ready.exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < limit, log.read_text()
                time.sleep(0.005)
            running[key] = Victim(process, json.loads(ready.read_text())["address"], log)
        return running[key]

    yield start
    crashed = [victim for victim in running.values() if victim.process.poll() not in (None, 0)]
    for victim in running.values():
        victim.process.terminate()
    for victim in running.values():
        victim.process.wait(timeout=30)
    assert not crashed, [victim.log.read_text()[-3000:] for victim in crashed]


@pytest.fixture
def victim(serve) -> Iterator[Victim]:
    """The native door with its default settings; whatever was done to it, it answers afterwards and lost nothing."""
    found = serve()
    yield found
    assert found.process.poll() is None, found.log.read_text()[-3000:]
    assert found.seconds_to_answer() < 5
    assert "Traceback" not in found.log.read_text()


@pytest.fixture(params=DOORS)
def wire_door(request) -> str:
    """Each front door in turn, by name."""
    return request.param


@pytest.fixture
def told() -> type[Told]:
    return Told


@pytest.fixture
def ask_for() -> Callable[..., pb.ModelInferRequest]:
    return question


@pytest.fixture
def frame_of() -> Callable[..., bytes]:
    return framed


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Path:
    """A folder: an authority, a server's and a client's certificate signed by it, and a stranger's."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "stranger"):
        openssl(
            "req",
            "-x509",
            *curve,
            "-days",
            "2",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-subj",
            f"/CN={name}",
        )
    (folder / "names.cnf").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("server", "client"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-days", "2", "-out", f"{name}.pem", "-extfile", "names.cnf"),
        )
    return folder


@pytest.fixture
def tls_context(certificates: Path) -> Callable[..., ssl.SSLContext]:
    """Contexts of clients: who trusts the authority, and shows a certificate where one is named."""

    def make(own: str | None = None, alpn: str = "h2") -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        context.set_alpn_protocols([alpn])
        if own:
            context.load_cert_chain(certificates / f"{own}.pem", certificates / f"{own}.key")
        return context

    return make
