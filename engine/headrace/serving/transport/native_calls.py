"""The native door's way to the application: calls that it hands over as bytes, and their answers."""

from __future__ import annotations

import base64
import binascii
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from headrace.core.errors import (
    Code,
    ExhaustedError,
    HeadraceError,
    InvalidInputError,
    UnimplementedError,
)
from headrace.core.logging import get_logger
from headrace.serving.transport import _front
from headrace.serving.transport.seam import Application, Call, Conversation
from headrace.wire.status import STATUS_NUMBERS, status_details

_LOG = get_logger("serving")

FRAME_HEADER_BYTES = 5
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class _Kind(IntEnum):
    """Kinds of events, as the door numbers them."""

    CALL = 0
    OPEN = 1
    MESSAGE = 2
    HALF_CLOSE = 3


@dataclass
class _Open:
    """A call that is not over: whom to tell when its client goes."""

    on_withdrawn: list[Callable[[], None]] = field(default_factory=list)
    withdrawn: bool = False
    conversation: Conversation | None = None


class CallDesk:
    """Takes events from the door, asks the application, hands back what it says.

    Invariants: events of one conversation are worked on one at a time, in order; `ended` comes last.

    Args:
        front: the door.
        application: who answers.
        infer_path: path of ModelInfer.
        max_message_bytes: size of a message after decompression.
    """

    def __init__(
        self, front: _front.Front, application: Application, *, infer_path: str, max_message_bytes: int
    ) -> None:
        self._front = front
        self._application = application
        self._infer_path = infer_path
        self._max_message_bytes = max_message_bytes
        self._lock = threading.Lock()
        self._open: dict[int, _Open] = {}

    def work(self) -> None:
        """Work on events until the door is closed; a thread's life."""
        while (event := self._front.next_event()) is not None:
            try:
                self._handle(event)
            except Exception:  # noqa: BLE001  the thread must go on, and the client must not wait for ever
                _LOG.exception("native_call_failed")
                self._front.finish(
                    event[1], STATUS_NUMBERS[Code.INTERNAL], "the call failed; see the server's log", False
                )

    def watch_withdrawals(self) -> None:
        """Tell those concerned of clients that went, until the door is closed; a thread's life."""
        while (number := self._front.next_withdrawn()) != 0:
            self._withdraw(number)

    def _withdraw(self, number: int) -> None:
        with self._lock:
            found = self._open.pop(number, None)
            if found is None:
                return
            found.withdrawn = True
            callbacks = list(found.on_withdrawn)
        for callback in callbacks:
            callback()
        if found.conversation is not None:
            found.conversation.ended()

    def _handle(self, event: _front.Event) -> None:
        kind, number, path, message, encoding, raw_metadata, time_left_s, peer = event
        if kind not in {_Kind.CALL, _Kind.OPEN}:
            self._converse(number, kind, message, encoding)
            return
        try:
            metadata = _decode(raw_metadata)
        except HeadraceError as error:
            self._refuse(number, error)
            return
        opened = self._register(number)
        call = Call(time_left_s, self._watch(opened), metadata, peer)
        if kind == _Kind.CALL:
            self._answer(number, path.decode("latin-1"), message, encoding, call)
        else:
            self._begin(number, path.decode("latin-1"), opened, call)

    def _register(self, number: int) -> _Open:
        opened = _Open()
        with self._lock:
            self._open[number] = opened
        return opened

    def _watch(self, opened: _Open) -> Callable[[Callable[[], None]], bool]:
        def on_withdrawn(callback: Callable[[], None]) -> bool:
            with self._lock:
                if opened.withdrawn:
                    return False
                opened.on_withdrawn.append(callback)
                return True

        return on_withdrawn

    def _answer(self, number: int, path: str, message: bytes, encoding: str, call: Call) -> None:
        try:
            answer = self._application.answer(path, self._decompress(message, encoding), call)
        except HeadraceError as error:
            self._refuse(number, error)
        else:
            self._front.reply(number, answer)
        finally:
            with self._lock:
                self._open.pop(number, None)

    def _begin(self, number: int, path: str, opened: _Open, call: Call) -> None:
        replies = _Replies(self._front, number)
        try:
            conversation = self._application.open(path, call, replies)
        except HeadraceError as error:
            self._refuse(number, error)
            return
        with self._lock:
            opened.conversation = conversation
            gone = opened.withdrawn
        if gone:
            conversation.ended()
        elif not self._front.handled(number, 0):
            self._withdraw(number)  # its client went before the call was registered: nobody will tell us again

    def _converse(self, number: int, kind: int, message: bytes, encoding: str) -> None:
        with self._lock:
            opened = self._open.get(number)
        if opened is None or opened.conversation is None:
            return
        try:
            if kind == _Kind.MESSAGE:
                opened.conversation.received(self._decompress(message, encoding))
            else:
                opened.conversation.half_closed()
        except HeadraceError as error:
            self._refuse(number, error)
        self._front.handled(number, FRAME_HEADER_BYTES + len(message) if kind == _Kind.MESSAGE else 0)

    def _refuse(self, number: int, error: HeadraceError) -> None:
        pushback = isinstance(error, ExhaustedError)
        self._front.finish(number, STATUS_NUMBERS[error.code], status_details(error), pushback)

    def _decompress(self, message: bytes, encoding: str) -> bytes:
        """Undo a message's compression.

        Raises:
            UnimplementedError: the encoding is not known here.
            InvalidInputError: the bytes are not so encoded.
            ExhaustedError: the message is too large.
        """
        if not encoding or not message:  # an empty message is empty, whatever its flag says: gRPC's core has it so
            return message
        if encoding not in _WINDOW_BITS:
            raise UnimplementedError(f"grpc-encoding is '{encoding}'; known here: identity, {', '.join(_WINDOW_BITS)}")
        limit = self._max_message_bytes
        try:
            unpacking = zlib.decompressobj(_WINDOW_BITS[encoding])
            content = unpacking.decompress(message, limit + 1)
        except zlib.error as error:
            raise InvalidInputError(f"{len(message)} bytes came that are no {encoding} of a message") from error
        if len(content) > limit:
            raise ExhaustedError(f"a message of more than {limit} bytes came; at most {limit} are allowed")
        if not unpacking.eof:
            raise InvalidInputError(f"{len(message)} bytes came that are the beginning of a message in {encoding}")
        return content


class _Replies:
    """The server's half of a conversation; the door is silent once it is over."""

    def __init__(self, front: _front.Front, number: int) -> None:
        self._front = front
        self._number = number

    def send(self, message: bytes) -> None:
        self._front.reply(self._number, message)

    def finish(self, error: Exception | None = None) -> None:
        if error is None:
            self._front.finish(self._number, 0, "", False)
            return
        known = error if isinstance(error, HeadraceError) else HeadraceError("the stream failed")
        pushback = isinstance(known, ExhaustedError)
        self._front.finish(self._number, STATUS_NUMBERS[known.code], status_details(known), pushback)


def _decode(metadata: list[tuple[bytes, bytes]]) -> list[tuple[str, str | bytes]]:
    """Header fields as the seam has them: names and values text, values of `-bin` names bytes.

    Raises:
        InvalidInputError: a value of a `-bin` name is not base64.
    """
    decoded: list[tuple[str, str | bytes]] = []
    for raw_name, value in metadata:
        name = raw_name.decode("latin-1")
        if name.endswith("-bin"):
            decoded.append((name, _from_base64(name, value)))
        else:
            decoded.append((name, value.decode("latin-1")))
    return decoded


def _from_base64(name: str, value: bytes) -> bytes:
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4))
    except binascii.Error as error:
        raise InvalidInputError(f"header field '{name}' is not base64: {len(value)} bytes came") from error
