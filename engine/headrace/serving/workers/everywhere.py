"""Calls that concern all workers, whichever of them they reach: forwarded to the supervisor, which asks them all."""

from __future__ import annotations

from base64 import b64decode, b64encode

from headrace.serving.transport.seam import Application, Call, Conversation, Kind, Replies
from headrace.serving.workers.link import Link
from headrace.wire.methods import METHODS

STATISTICS = METHODS["ModelStatistics"].path
CHANGING = {
    METHODS[name].path: name
    for name in (
        "SystemSharedMemoryRegister",
        "SystemSharedMemoryUnregister",
        "CudaSharedMemoryRegister",
        "CudaSharedMemoryUnregister",
        "TraceSetting",
        "LogSettings",
    )
}
"""Methods that change a worker's state other than its models, which `FleetManager.conductor` takes care of."""

TIMEOUT_S = 60.0


class EverywhereApplication:
    """An application whose state is that of all workers.

    Args:
        application: this worker's.
        link: to the supervisor.
    """

    def __init__(self, application: Application, link: Link) -> None:
        self._application = application
        self._link = link

    def kind(self, path: str) -> Kind | None:
        """As the application's."""
        return self._application.kind(path)

    def answer(self, path: str, message: bytes, call: Call) -> bytes:
        """Answer a unary call, by all workers where it concerns them all.

        Raises:
            HeadraceError: what the client is told.
        """
        if path != STATISTICS and path not in CHANGING:
            return self._application.answer(path, message, call)
        return b64decode(self._link.call("everywhere", TIMEOUT_S, path=path, message=b64encode(message).decode()))

    def open(self, path: str, call: Call, replies: Replies) -> Conversation:
        """Begin a stream; no stream concerns other workers."""
        return self._application.open(path, call, replies)
