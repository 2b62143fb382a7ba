"""The seam between a front door and what it serves: calls and bytes on one side, answers or errors on the other.

A transport knows sockets, HTTP/2 and deadlines; an application knows methods and models. Neither imports the other's
libraries, so that the application is written once and every transport passes the same conformance tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from headrace.core.errors import HeadraceError
from headrace.serving.models.fleet import Fleet
from headrace.serving.telemetry.note import RequestNote

Metadata = Sequence[tuple[str, str | bytes]]
"""Header fields of a call in order, names in lower case; values of `-bin` names are bytes, the others text."""


class Kind(Enum):
    """How a method talks."""

    UNARY = "unary"
    STREAM = "stream"


@dataclass(frozen=True)
class Call:
    """What a transport knows about one call.

    Attributes:
        time_left_s: seconds until the client's deadline; None where it set none.
        on_withdrawn: registers a function to call when the client withdraws; False where it has already.
        metadata: the call's header fields, without HTTP's and gRPC's own.
        peer: who calls, for logs: `127.0.0.1:52114`.
        note: filled in on the way where somebody will tell of this call; None: nobody will.
    """

    time_left_s: float | None
    on_withdrawn: Callable[[Callable[[], None]], bool]
    metadata: Metadata = ()
    peer: str = ""
    note: RequestNote | None = None

    def header(self, name: str) -> str | None:
        """First text value of a header field, or None."""
        return next((value for key, value in self.metadata if key == name and isinstance(value, str)), None)


@dataclass(frozen=True)
class Answered:
    """A ModelInfer request that a transport answered by itself, for whoever tells of it.

    Attributes:
        note: what is known of the request.
        peer: who called.
        credential: the header field that said who calls, as `name:value`; empty where none did.
        seconds: from when it came until it was answered.
        error: what the client was told; None where it got its answer.
        kept_back: requests with an error that nobody was told of, since the last one.
    """

    note: RequestNote
    peer: str
    credential: str
    seconds: float
    error: HeadraceError | None
    kept_back: int = 0


class Replies(Protocol):
    """The server's half of an open stream; safe from any thread, and silent once the stream is over."""

    def send(self, message: bytes) -> None:
        """Send one message."""
        ...

    def finish(self, error: Exception | None = None) -> None:
        """End the stream: with status OK, or with the error's; later calls of either method do nothing."""
        ...


class Conversation(Protocol):
    """The client's half of an open stream. A transport calls one method at a time, in order; `ended` comes last, once.

    `received` may block: it runs on a thread that is lent for as long as this message is worked on.
    """

    def received(self, message: bytes) -> None:
        """Take the client's next message; a raised `HeadraceError` ends the stream with its status."""
        ...

    def half_closed(self) -> None:
        """Note that the client will send nothing more; the conversation finishes its replies and ends the stream."""
        ...

    def ended(self) -> None:
        """Let go: the stream is over, whoever ended it."""
        ...


class Application(Protocol):
    """What is served; every method is safe from any thread."""

    def kind(self, path: str) -> Kind | None:
        """How the method at an HTTP/2 path talks; None where there is no such method."""
        ...

    def answer(self, path: str, message: bytes, call: Call) -> bytes:
        """Answer a unary call.

        Raises:
            HeadraceError: what the transport shall tell the client, never the text of an unexpected exception.
        """
        ...

    def open(self, path: str, call: Call, replies: Replies) -> Conversation:
        """Begin a stream.

        Raises:
            HeadraceError: the stream ends at once with its status.
        """
        ...


class Transport(Protocol):
    """A front door.

    Attributes:
        name: `grpcio` or `native`, as logs and metrics show it.
    """

    name: str

    def listen(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Bind the port and begin to answer; the port.

        Args:
            host: interface to listen on.
            port: 0 takes any free one.
            reuse_port: share the port with other processes of this server.

        Raises:
            AlreadyExistsError: the port is taken.
        """
        ...

    def publish(self, fleet: Fleet) -> None:
        """Learn what is served from now on; calls in flight keep what they have."""
        ...

    def trust(self, credential: str) -> None:
        """Take note that a caller was let through to ModelInfer: `name:value` of the header field that says who calls.

        A transport that asks the application about every call has nothing to note.
        """
        ...

    def distrust(self) -> None:
        """Ask the application again about every caller: keys have changed."""
        ...

    def drain(self, grace_s: float) -> bool:
        """Refuse new calls, let those in flight end within the grace period, close the port.

        Returns:
            Whether every call ended in time; the others were cancelled.
        """
        ...
