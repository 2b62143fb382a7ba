"""The portable transport: grpcio's synchronous server, through its public interface alone.

A call is read by grpcio's one polling thread and answered by a thread of the pool, which parses the request, runs the
batch it finds ready, and writes the answer. docs/decisions/0502 has the measurements behind the choice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from queue import SimpleQueue
from typing import Any, NoReturn

import grpc

from headrace.core.errors import AlreadyExistsError, ExhaustedError, HeadraceError
from headrace.serving.config import LimitsConfig, TlsConfig
from headrace.serving.models.fleet import Fleet
from headrace.serving.transport.call_pool import CallPool
from headrace.serving.transport.descriptors import high_descriptors
from headrace.serving.transport.grpcio_settings import server_credentials, server_options
from headrace.serving.transport.seam import Application, Call, Conversation, Kind
from headrace.wire.status import STATUS_NUMBERS, status_details

RETRY_PUSHBACK_MS = "10"
MAX_THREADS = 128
NO_DEADLINE_S = 1e8
"""grpcio gives a call without a deadline some centuries instead of None."""

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcTransport:
    """Owns the listening port.

    Args:
        application: who answers.
        threads: unary calls that are worked on at a time, while they move on; more while they wait for slow batches.
        max_streams: streams that may be open; each holds two threads.
        max_calls: calls that may be open; more are refused with RESOURCE_EXHAUSTED.
        limits: what one client may take; None: the defaults.
        tls: certificate and key; None: plain HTTP/2.
    """

    name = "grpcio"

    def __init__(
        self,
        application: Application,
        *,
        threads: int,
        max_streams: int = 64,
        max_calls: int = 4096,
        limits: LimitsConfig | None = None,
        tls: TlsConfig | None = None,
    ) -> None:
        self._application = application
        self._limits = limits or LimitsConfig()
        self._tls = tls
        self._streams = ThreadPoolExecutor(max_workers=max_streams, thread_name_prefix="grpc-stream")
        self._pool = CallPool(threads, limit=MAX_THREADS, name="grpc")
        self._max_calls = max_calls

    def listen(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Bind the port and begin to answer; the port.

        Raises:
            AlreadyExistsError: the port is taken.
            HeadraceError: the files of TLS cannot be used, as `read_certificates` says.
        """
        credentials = server_credentials(self._tls) if self._tls is not None else None
        self._server = grpc.server(
            self._pool,
            handlers=(_Handlers(self._handler),),
            maximum_concurrent_rpcs=self._max_calls,
            options=(
                ("grpc.so_reuseport", int(reuse_port)),  # else a second server on the port is an error, not a half
                *server_options(self._limits),
            ),
        )
        place = f"{host}:{port}"
        try:
            with high_descriptors() if reuse_port else nullcontext():
                bound: int = (
                    self._server.add_insecure_port(place)
                    if credentials is None
                    else self._server.add_secure_port(place, credentials)
                )
        except RuntimeError as error:
            raise AlreadyExistsError(f"port {port} on {host} cannot be bound", hint="choose another port") from error
        self._server.start()
        return bound

    def publish(self, fleet: Fleet) -> None:
        """Nothing to learn: the application looks the fleet up for every call."""

    def trust(self, credential: str) -> None:
        """Nothing to note: the application is asked about every call."""

    def distrust(self) -> None:
        """Nothing to forget."""

    def drain(self, grace_s: float) -> bool:
        """Refuse new calls, let those in flight end within the grace period, close the port.

        Returns:
            Whether every call ended in time; the others were cancelled.
        """
        stopped: threading.Event = self._server.stop(grace_s)
        try:
            return bool(stopped.wait(grace_s + 1.0))
        finally:
            self._pool.shutdown(wait=False)

    def _handler(self, path: str) -> Any:
        kind = self._application.kind(path)
        if kind is Kind.UNARY:
            return grpc.unary_unary_rpc_method_handler(self._unary(path))
        if kind is Kind.STREAM:
            handle = self._stream(path)
            handle.experimental_thread_pool = self._streams  # type: ignore[attr-defined]
            return grpc.stream_stream_rpc_method_handler(handle)
        return None

    def _unary(self, path: str) -> Callable[[bytes, Any], bytes]:
        answer = self._application.answer

        def handle(message: bytes, context: Any) -> bytes:
            try:
                return answer(path, message, _call(context))
            except HeadraceError as error:
                _abort(context, error)

        return handle

    def _stream(self, path: str) -> Callable[[Iterator[bytes], Any], Iterator[bytes]]:
        def handle(messages: Iterator[bytes], context: Any) -> Iterator[bytes]:
            replies = _Replies()
            try:
                conversation = self._application.open(path, _call(context), replies)
            except HeadraceError as error:
                _abort(context, error)
            context.add_callback(replies.finish)  # the client went: the loop below must not wait for a reply
            reader = threading.Thread(target=_read, args=(conversation, messages, replies), daemon=True)
            reader.start()
            try:
                yield from replies
            finally:
                replies.close()
                conversation.ended()
            if replies.error is not None:
                _abort(context, replies.error)

        return handle


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Looks methods up by path, once each."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make
        self._made: dict[str, Any] = {}

    def service(self, handler_call_details: Any) -> Any:
        path = handler_call_details.method
        if path not in self._made:
            handler = self._make(path)
            if handler is None:
                return None
            self._made[path] = handler
        return self._made[path]


class _Replies:
    """Messages on their way to grpcio, which takes them from an iterator."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._finished = False
        self.error: HeadraceError | None = None

    def send(self, message: bytes) -> None:
        with self._lock:
            if not self._finished:
                self._queue.put(message)

    def finish(self, error: Exception | None = None) -> None:
        with self._lock:
            if not self._finished:
                self._finished = True
                self.error = error if error is None or isinstance(error, HeadraceError) else HeadraceError("failed")
                self._queue.put(None)

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._finished = True

    def __iter__(self) -> Iterator[bytes]:
        while (message := self._queue.get()) is not None:
            yield message


def _read(conversation: Conversation, messages: Iterator[bytes], replies: _Replies) -> None:
    """Hand over what the client sends, until it sends no more or goes; a thread of its own."""
    try:
        for message in messages:
            conversation.received(message)
        conversation.half_closed()
    except HeadraceError as error:
        replies.finish(error)
    except Exception:  # noqa: BLE001  grpcio ends the iterator of a withdrawn call with an exception without a type
        replies.finish(HeadraceError("the stream broke"))


def _call(context: Any) -> Call:
    return Call(_time_left(context), context.add_callback, context.invocation_metadata(), _peer(context))


def _peer(context: Any) -> str:
    kind, _, address = str(context.peer()).partition(":")
    return address if kind in {"ipv4", "ipv6"} else kind


def _time_left(context: Any) -> float | None:
    seconds: float | None = context.time_remaining()
    return seconds if seconds is not None and seconds < NO_DEADLINE_S else None


def _abort(context: Any, error: HeadraceError) -> NoReturn:
    if isinstance(error, ExhaustedError):
        context.set_trailing_metadata((("grpc-retry-pushback-ms", RETRY_PUSHBACK_MS),))
    context.abort(_STATUS_CODES[STATUS_NUMBERS[error.code]], status_details(error))
    raise AssertionError("abort raises")
