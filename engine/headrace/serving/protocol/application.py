"""Everything a server answers, by path: the inference service, health and reflection, for any transport."""

from __future__ import annotations

from collections.abc import Callable

from headrace.core.errors import HeadraceError, UnimplementedError
from headrace.serving.protocol.failures import unexpected
from headrace.serving.protocol.health import HealthService
from headrace.serving.protocol.reflection import ReflectionService
from headrace.serving.protocol.service import InferenceService
from headrace.serving.transport.seam import Call, Conversation, Kind, Replies
from headrace.wire.methods import METHODS

Answer = Callable[[bytes, Call], bytes]
Open = Callable[[Call, Replies], Conversation]


class ServingApplication:
    """The methods of one server.

    Args:
        service: the inference service.
    """

    def __init__(self, service: InferenceService) -> None:
        self.service = service
        self.health = HealthService()
        reflection = ReflectionService()
        self._unary: dict[str, Answer] = {**self.health.unary}
        self._streams: dict[str, Open] = {**self.health.streams, **reflection.streams}
        for method in METHODS.values():
            if method.streaming:
                self._streams[method.path] = service.open_stream
            else:
                self._unary[method.path] = service.handler(method.name)

    def set_ready(self, *, ready: bool) -> None:
        """Answer ServerReady and health, and tell health's watchers, accordingly."""
        self.service.ready = ready
        self.health.set_serving(serving=ready)

    @property
    def methods(self) -> dict[str, Kind]:
        """Every path and how its method talks."""
        return dict.fromkeys(self._unary, Kind.UNARY) | dict.fromkeys(self._streams, Kind.STREAM)

    def kind(self, path: str) -> Kind | None:
        """How the method at a path talks; None where there is no such method."""
        if path in self._unary:
            return Kind.UNARY
        return Kind.STREAM if path in self._streams else None

    def answer(self, path: str, message: bytes, call: Call) -> bytes:
        """Answer a unary call.

        Raises:
            HeadraceError: what the client is told.
        """
        handler = self._unary.get(path)
        if handler is None:
            raise UnimplementedError(f"{path} is no method of this server")
        try:
            return handler(message, call)
        except HeadraceError:
            raise
        except Exception as error:
            raise unexpected(path, error) from error

    def open(self, path: str, call: Call, replies: Replies) -> Conversation:
        """Begin a stream.

        Raises:
            HeadraceError: what the client is told.
        """
        opener = self._streams.get(path)
        if opener is None:
            raise UnimplementedError(f"{path} is no method of this server")
        return opener(call, replies)
