"""grpc.health.v1: Check, Watch and List over bytes.

Reference: gRPC health checking protocol, https://github.com/grpc/grpc/blob/master/doc/health-checking.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.serving.transport.seam import Call, Conversation, Replies
from headrace.wire.methods import SERVICE

_PATH = f"/{health_pb2.DESCRIPTOR.services_by_name['Health'].full_name}"
_STATUS = health_pb2.HealthCheckResponse.ServingStatus


class HealthService:
    """Whether the server takes requests: the same status for the server as a whole (`""`) and for its service.

    Invariant: a watcher is told its status when it comes and at every change, in order.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: dict[str, Any] = dict.fromkeys(("", SERVICE), _STATUS.NOT_SERVING)
        self._watchers: dict[_Watcher, str] = {}
        self.unary: dict[str, Callable[[bytes, Call], bytes]] = {
            f"{_PATH}/Check": self._check,
            f"{_PATH}/List": self._list,
        }
        self.streams: dict[str, Callable[[Call, Replies], Conversation]] = {
            f"{_PATH}/Watch": lambda _call, replies: _Watcher(self, replies)
        }

    def set_serving(self, *, serving: bool) -> None:
        """Change the status, and tell the watchers."""
        status = _STATUS.SERVING if serving else _STATUS.NOT_SERVING
        with self._lock:
            changed = [name for name, before in self._statuses.items() if before != status]
            self._statuses = dict.fromkeys(self._statuses, status)
            for watcher, name in self._watchers.items():
                if name in changed:
                    watcher.tell(status)

    def _check(self, message: bytes, _call: Call) -> bytes:
        request = _parse(message)
        status = self._statuses.get(request.service)
        if status is None:
            raise NotFoundError(f"service '{request.service}' is unknown here; known: '{SERVICE}', and '' for all")
        return bytes(health_pb2.HealthCheckResponse(status=status).SerializeToString())

    def _list(self, _message: bytes, _call: Call) -> bytes:
        statuses = {name: health_pb2.HealthCheckResponse(status=status) for name, status in self._statuses.items()}
        return bytes(health_pb2.HealthListResponse(statuses=statuses).SerializeToString())

    def _watch(self, watcher: _Watcher, name: str) -> None:
        with self._lock:
            self._watchers[watcher] = name
            watcher.tell(self._statuses.get(name, _STATUS.SERVICE_UNKNOWN))

    def _forget(self, watcher: _Watcher) -> None:
        with self._lock:
            self._watchers.pop(watcher, None)


class _Watcher:
    """One Watch stream: one request, then statuses until the client goes."""

    def __init__(self, service: HealthService, replies: Replies) -> None:
        self._service = service
        self._replies = replies
        self._asked = False

    def tell(self, status: Any) -> None:
        self._replies.send(health_pb2.HealthCheckResponse(status=status).SerializeToString())

    def received(self, message: bytes) -> None:
        if self._asked:
            raise InvalidInputError("Watch takes one request; a second one came")
        self._asked = True
        self._service._watch(self, _parse(message).service)  # noqa: SLF001  the service's other half

    def half_closed(self) -> None:
        if not self._asked:
            self._replies.finish(InvalidInputError("Watch takes one request; none came"))

    def ended(self) -> None:
        self._service._forget(self)  # noqa: SLF001


def _parse(message: bytes) -> Any:
    try:
        return health_pb2.HealthCheckRequest.FromString(message)
    except DecodeError as error:
        raise InvalidInputError(f"{len(message)} bytes came that are no {_PATH[1:]} request") from error
