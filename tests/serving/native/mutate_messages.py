"""Send mutated messages to servers and compare what they say: the same bytes to each, the same answers from each.

    python mutate_messages.py --count 1000000 grpcio=127.0.0.1:8001/PID native=127.0.0.1:8002/PID

The servers serve the models of conftest.py. Messages are mutated as protobuf bytes and compared answer by answer; as
many HTTP/2 connections as `--frames` says are mutated as raw bytes, after which the server must have closed them.
Prints one JSON document; ends with 1 where servers differ, fail inside, or hang.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

import hpack
import numpy as np

from headrace.wire import inference_pb2 as pb
from headrace.wire.methods import METHODS

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# HEADER_TABLE_SIZE 0: every block of fields can be read alone. Windows: no limit.
SETTINGS = b"\0\0\x0c\4\0\0\0\0\0" + b"\0\1\0\0\0\0" + b"\0\4\x7f\xff\xff\xff"
WINDOW = b"\0\0\4\x08\0\0\0\0\0" + (2**31 - 1 - 65_535).to_bytes(4, "big")
IN_FLIGHT = 64
STALLED_S = 60.0
OK, DEADLINE_EXCEEDED, NOT_FOUND, UNIMPLEMENTED = 0, 4, 5, 12
EXPECTED = {OK, 3, NOT_FOUND, DEADLINE_EXCEEDED, UNIMPLEMENTED}
Answer = tuple[int, str, bytes]


def header_block() -> bytes:
    fields = [(":method", "POST"), (":scheme", "http"), (":path", METHODS["ModelInfer"].path), (":authority", "test")]
    fields += [("content-type", "application/grpc"), ("te", "trailers")]
    return b"".join(b"\0" + bytes([len(n)]) + n.encode() + bytes([len(v)]) + v.encode() for n, v in fields)


BLOCK = header_block()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def call(stream: int, message: bytes) -> bytes:
    body = b"\0" + len(message).to_bytes(4, "big") + message
    parts = [body[at : at + 16_384] for at in range(0, len(body), 16_384)]
    data = b"".join(frame(0, part is parts[-1], stream, part) for part in parts)
    return frame(1, 4, stream, BLOCK) + data


def tensor(message: pb.ModelInferRequest, name: str, values: np.ndarray, datatype: str) -> None:
    message.inputs.add(name=name, datatype=datatype, shape=values.shape)
    message.raw_input_contents.append(values.tobytes())


def good_messages() -> list[bytes]:
    """Plain requests of every form that the native door reads itself, and some that it does not."""
    found = []
    for rows, fields in (
        (1, {}),
        (3, {"id": "r-1"}),
        (2, {"model_version": "1"}),
        (1, {"id": "x", "model_version": "1"}),
    ):
        message = pb.ModelInferRequest(model_name="late", **fields)
        tensor(message, "features", np.arange(rows * 4, dtype="<f4").reshape(rows, 4), "FP32")
        found.append(message)
    for names in (("a", "b"), ("b", "a")):
        message = pb.ModelInferRequest(model_name="pair", id="pair")
        values = {"a": (np.arange(2, dtype="<i8"), "INT64"), "b": (np.ones((2, 2), "<f8"), "FP64")}
        for name in names:
            tensor(message, name, *values[name])
        message.outputs.add(name="z")
        message.outputs.add(name="y")
        found.append(message)
    for name, kind, value in (
        ("priority", "uint64_param", 1),
        ("timeout", "int64_param", 10**9),
        ("other", "bool_param", True),
    ):
        message = pb.ModelInferRequest.FromString(found[0].SerializeToString())
        setattr(message.parameters[name], kind, value)
        found.append(message)
    for name, text in (("routing_key", "k"), ("ids", "a\nb\nc")):
        message = pb.ModelInferRequest.FromString(found[1].SerializeToString())
        message.parameters[name].string_param = text
        found.append(message)
    typed = pb.ModelInferRequest(model_name="late", id="typed")
    typed.inputs.add(name="features", datatype="FP32", shape=[1, 4]).contents.fp32_contents.extend([1, 2, 3, 4])
    return [message.SerializeToString() for message in [*found, typed]]


INTERESTING = [b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\1", b"\xff" * 10]
INTERESTING += [
    b"\x28\1",
    b"\x3a\0",
    b"\x2a\0",
    b"\x32\0",
    b"\x1a\x03abc",
    b"\x12\x011",
    b"\x0a\x04late",
    b"\x0d\0\0\0\0",
]
INTERESTING += [b"\xc3\xa9", b"\xe9", b"\x18\4", b"\x18\1", b"\x1a\2\1\4", b"\x0b\x0c", b"\xf8\1\1"]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """One to four accidents, or none in one message of twenty."""
    mutated = bytearray(content)
    for _ in range(rng.choice((0, *(1,) * 10, *(2,) * 5, 3, 3, 4, 4))):
        at = rng.randrange(len(mutated) + 1)
        match rng.randrange(8):
            case 0 if at < len(mutated):
                mutated[at] = rng.randrange(256)
            case 1 if at < len(mutated):
                mutated[at] ^= 1 << rng.randrange(8)
            case 2 if at < len(mutated):
                mutated[at] = (mutated[at] + rng.choice((-1, 1))) % 256
            case 3:
                del mutated[at : at + rng.randrange(1, 9)]
            case 4:
                mutated[at:at] = mutated[at : at + rng.randrange(1, 40)]
            case 5:
                mutated[at:at] = rng.choice(INTERESTING)
            case 6:
                mutated[at : at + 1] = rng.choice(INTERESTING)
            case 7 if rng.randrange(4) == 0:
                del mutated[at:]
    return bytes(mutated)


@dataclass
class Door:
    """One server, and a connection to it over which calls are made by the dozen."""

    name: str
    address: tuple[str, int]
    pid: int
    socket: socket.socket | None = None
    next_stream: int = 1
    received: bytes = b""
    waiting: set[int] = field(default_factory=set)
    known_blocks: dict[bytes, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Door:
        name, rest = text.split("=")
        place, pid = rest.split("/")
        host, port = place.rsplit(":", 1)
        return cls(name, (host, int(port)), int(pid))

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))

    def connect(self) -> socket.socket:
        made = socket.create_connection(self.address, timeout=STALLED_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def ask(self, messages: list[bytes]) -> list[Answer]:
        """Answers of the messages, in their order."""
        if self.socket is None or self.next_stream > 1_000_000:
            self.socket, self.next_stream, self.received = self.connect(), 1, b""
            self.socket.sendall(PREFACE + SETTINGS + WINDOW)
        first = self.next_stream
        self.next_stream += 2 * len(messages)
        fields: dict[int, dict[str, str]] = {first + 2 * i: {} for i in range(len(messages))}
        bodies: dict[int, list[bytes]] = {stream: [] for stream in fields}
        waiting = iter(zip(fields, messages, strict=True))
        open_streams = self._send_next(waiting, IN_FLIGHT)
        while open_streams:
            ended = self._receive(fields, bodies)
            open_streams += self._send_next(waiting, ended) - ended
        return [_answer(fields[stream], b"".join(bodies[stream])) for stream in fields]

    def _send_next(self, waiting: Iterator[tuple[int, bytes]], count: int) -> int:
        pairs = list(itertools.islice(waiting, count))
        self.waiting |= {stream for stream, _ in pairs}
        self.socket.sendall(b"".join(itertools.starmap(call, pairs)))
        return len(pairs)

    def _receive(self, fields: dict[int, dict[str, str]], bodies: dict[int, list[bytes]]) -> int:
        """Take what is there; how many calls it ended."""
        content = self.socket.recv(1 << 20)
        if not content:
            raise ConnectionError(f"{self.name} closed the connection")
        self.received += content
        at, ended = 0, 0
        while len(self.received) - at >= 9:
            end = at + 9 + int.from_bytes(self.received[at : at + 3], "big")
            if len(self.received) < end:
                break
            kind, flags = self.received[at + 3], self.received[at + 4]
            stream = int.from_bytes(self.received[at + 5 : at + 9], "big")
            self._take(kind, flags, stream, self.received[at + 9 : end], (fields, bodies))
            if stream in self.waiting and ((flags & 1 and kind in {0, 1}) or kind == 3):
                self.waiting.remove(stream)
                ended += 1
            at = end
        self.received = self.received[at:]
        return ended

    def _take(self, kind: int, flags: int, stream: int, payload: bytes, into: tuple[dict, dict]) -> None:
        fields, bodies = into
        if kind == 0:
            bodies[stream].append(payload)
        elif kind == 1:
            if len(self.known_blocks) > 100_000:
                self.known_blocks.clear()
            if payload not in self.known_blocks:
                self.known_blocks[payload] = dict(hpack.Decoder().decode(payload))
            fields[stream] |= self.known_blocks[payload]
        elif kind == 3 and "grpc-status" not in fields[stream]:
            fields[stream]["grpc-status"] = f"{1000 + payload[3]}"
        elif kind == 7:
            raise ConnectionError(f"{self.name} says GOAWAY {payload!r}")
        elif kind == 4 and not flags & 1:
            self.socket.sendall(frame(4, 1, 0, b""))
        elif kind == 6 and not flags & 1:
            self.socket.sendall(frame(6, 1, 0, payload))

    def take_noise(self, content: bytes) -> bool:
        """Send bytes as a connection of their own and say goodbye; whether the server has closed it in time."""
        with self.connect() as noisy:
            try:
                noisy.sendall(content)
                noisy.shutdown(socket.SHUT_WR)
                while noisy.recv(1 << 20):
                    pass
            except TimeoutError:
                return False
            except OSError:
                return True
        return True


def _answer(fields: dict[str, str], body: bytes) -> Answer:
    text = unquote_to_bytes(fields.get("grpc-message", "")).decode("utf-8", "replace")
    return int(fields.get("grpc-status", -1)), text, body


def same(message: bytes, one: Answer, other: Answer) -> bool:
    """Whether two answers say the same; each server gives an id of its own to a request without one."""
    if one == other or DEADLINE_EXCEEDED in (one[0], other[0]):
        return True
    if one[0] != OK or other[0] != OK:
        return one[:2] == other[:2]
    asked = pb.ModelInferRequest.FromString(message)
    answers = [pb.ModelInferResponse.FromString(body[5:]) for _, _, body in (one, other)]
    for answer in answers:
        if not asked.id and answer.id:
            answer.id = "given"
    return answers[0] == answers[1]


@dataclass
class Tally:
    """What has come of the messages so far."""

    statuses: Counter = field(default_factory=Counter)
    differences: list[dict] = field(default_factory=list)
    unexpected: list[dict] = field(default_factory=list)
    unclosed: list[dict] = field(default_factory=list)

    def compare(self, messages: list[bytes], answers: list[list[Answer]]) -> None:
        for message, *said in zip(messages, *answers, strict=True):
            self.statuses[said[0][0]] += 1
            shown = {"message": message.hex(), "said": [[*answer[:2], answer[2].hex()] for answer in said]}
            if not all(same(message, said[0], other) for other in said[1:]):
                self.differences.append(shown)
            if not {answer[0] for answer in said} <= EXPECTED:
                self.unexpected.append(shown)


def noise(good: list[bytes], rng: random.Random) -> bytes:
    """A connection with a few calls, its bytes mutated; the preface stays as it is in three of four."""
    calls = b"".join(call(1 + 2 * i, rng.choice(good)) for i in range(rng.randrange(1, 6)))
    start = PREFACE + SETTINGS + WINDOW
    if rng.randrange(4) == 0:
        return mutate(start + calls, rng)
    return start + mutate(mutate(calls, rng), rng)


def run(doors: list[Door], count: int, frames: int, seed: int) -> dict:
    rng = random.Random(seed)
    good = good_messages()
    tally = Tally()
    for door in doors:
        door.ask(good * 50)  # memory that a server takes once is taken before it is looked at
    before = {door.name: door.resident_bytes() for door in doors}
    start = time.monotonic()
    chunk = 2000
    for done in range(0, count, chunk):
        messages = [mutate(rng.choice(good), rng) for _ in range(min(chunk, count - done))]
        tally.compare(messages, [door.ask(messages) for door in doors])
        if done % 50_000 == 0:
            sys.stderr.write(f"{done} of {count}, {time.monotonic() - start:.0f} s\n")
    for _ in range(frames):
        content = noise(good, rng)
        tally.unclosed += [
            {"door": door.name, "bytes": content.hex()} for door in doors if not door.take_noise(content)
        ]
    for door in doors:
        tally.compare(good, [door.ask(good)])
    return {
        "messages": count,
        "connections": frames,
        "seconds": round(time.monotonic() - start, 1),
        "statuses": {str(status): number for status, number in sorted(tally.statuses.items())},
        "grown_bytes": {door.name: door.resident_bytes() - before[door.name] for door in doors},
        "differences": tally.differences[:20],
        "unexpected": tally.unexpected[:20],
        "unclosed": tally.unclosed[:20],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Send mutated messages to servers and compare what they say.")
    parser.add_argument("doors", nargs="+", type=Door.parse, metavar="NAME=HOST:PORT/PID")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = run(given.doors, given.count, given.frames, given.seed)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return bool(found["differences"] or found["unexpected"] or found["unclosed"])


if __name__ == "__main__":
    sys.exit(main())
