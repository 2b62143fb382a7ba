"""The portable transport: grpcio's synchronous server, through its public interface alone.

A call is read by grpcio's one polling thread and answered by a thread of the pool, which parses the request, runs the
batch it finds ready, and writes the answer. docs/decisions/0502 has the measurements behind the choice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from headrace.core.errors import AlreadyExistsError, ExhaustedError, HeadraceError
from headrace.serving.service import Call, InferenceService
from headrace.serving.transport.reflection import add_reflection
from headrace.wire.methods import METHODS, SERVICE
from headrace.wire.status import STATUS_NUMBERS, status_details

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
RETRY_PUSHBACK_MS = "10"
NO_DEADLINE_S = 1e8
"""grpcio gives a call without a deadline some centuries instead of None."""

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcTransport:
    """Owns the listening port.

    Args:
        service: who answers.
        threads: calls that are worked on at a time.
        max_calls: calls that may be open; more are refused with RESOURCE_EXHAUSTED.
    """

    def __init__(self, service: InferenceService, *, threads: int, max_calls: int = 4096) -> None:
        self._service = service
        self._health = health.HealthServicer()
        self._server = grpc.server(
            ThreadPoolExecutor(max_workers=threads, thread_name_prefix="grpc"),
            maximum_concurrent_rpcs=max_calls,
            options=(
                ("grpc.so_reuseport", 0),  # a second server on the port is an error, not half of the traffic
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ),
        )
        handlers = {
            method.name: grpc.unary_unary_rpc_method_handler(self._handler(method.name))
            for method in METHODS.values()
            if not method.streaming
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        add_reflection(self._server)
        self._set_health(serving=False)

    def listen(self, host: str, port: int) -> int:
        """Bind the port and begin to answer; the port.

        Raises:
            AlreadyExistsError: the port is taken.
        """
        try:
            bound: int = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise AlreadyExistsError(f"port {port} on {host} cannot be bound", hint="choose another port") from error
        self._server.start()
        return bound

    def set_ready(self, *, ready: bool) -> None:
        """Tell health watchers, and answer ServerReady, accordingly."""
        self._service.ready = ready
        self._set_health(serving=ready)

    def drain(self, grace_s: float) -> bool:
        """Refuse new calls, let those in flight end within the grace period, close the port.

        Returns:
            Whether every call ended in time; the others were cancelled.
        """
        self.set_ready(ready=False)
        self._health.enter_graceful_shutdown()
        stopped: threading.Event = self._server.stop(grace_s)
        return bool(stopped.wait(grace_s + 1.0))

    def _set_health(self, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", SERVICE):
            self._health.set(name, status)

    def _handler(self, method: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        answer = self._service.call

        def handle(message: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                return answer(method, message, Call(_time_left(context), context.add_callback))
            except HeadraceError as error:
                _abort(context, error)

        return handle


def _time_left(context: Any) -> float | None:
    seconds: float | None = context.time_remaining()
    return seconds if seconds is not None and seconds < NO_DEADLINE_S else None


def _abort(context: Any, error: HeadraceError) -> NoReturn:
    if isinstance(error, ExhaustedError):
        context.set_trailing_metadata((("grpc-retry-pushback-ms", RETRY_PUSHBACK_MS),))
    context.abort(_STATUS_CODES[STATUS_NUMBERS[error.code]], status_details(error))
    raise AssertionError("abort raises")
