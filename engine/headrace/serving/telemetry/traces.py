"""OpenTelemetry traces: a span a request, joined to the caller's trace, with its wait and its run as children.

The library is the extra `telemetry`, loaded only where traces are asked for.

Reference: W3C Trace Context (traceparent, tracestate); OpenTelemetry semantic conventions for RPC.
"""

from __future__ import annotations

import itertools
import logging
import time
from dataclasses import replace
from typing import Any

from headrace import __version__
from headrace.core.errors import HeadraceError, InvalidInputError, UnavailableError
from headrace.core.logging import get_logger
from headrace.serving.access.scopes import scope_of
from headrace.serving.telemetry.note import RequestNote
from headrace.serving.telemetry.trace_settings import TraceSettings
from headrace.serving.telemetry.watched_stream import open_watched
from headrace.serving.transport.seam import Application, Call, Conversation, Kind, Replies
from headrace.wire.status import STATUS_NUMBERS

_LOG = get_logger("traces")

EXPORT_TIMEOUT_S = 2.0
"""A collector that does not answer must not hold up the end of the process for longer."""

_HEADERS = ("traceparent", "tracestate")


class Tracer:
    """Sends spans to a collector, from a thread of its own; what it cannot send is dropped and logged.

    Args:
        endpoint: `http://HOST:PORT` or `https://HOST:PORT`, OTLP over gRPC.

    Raises:
        InvalidInputError: the endpoint is no such address.
        UnavailableError: the extra `telemetry` is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        scheme, separator, address = endpoint.partition("://")
        if scheme not in {"http", "https"} or not separator or not address.rpartition(":")[2].isdigit():
            raise InvalidInputError(f"the trace endpoint is '{endpoint}'; expected: http://HOST:PORT, or https://")
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise UnavailableError(
                f"traces need the OpenTelemetry SDK, and {error.name} is not installed",
                hint="pip install 'headrace[telemetry]'",
            ) from error
        _tell_in_our_log()
        exporter = OTLPSpanExporter(endpoint=endpoint, insecure=scheme == "http", timeout=EXPORT_TIMEOUT_S)
        resource = Resource.create({"service.name": "headrace", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
        self._tracer = self._provider.get_tracer("headrace.serving", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def start(self, path: str, call: Call) -> Any:
        """Begin the span of a call, below the caller's where it names one."""
        from opentelemetry.trace import SpanKind

        carrier = {name: value for name in _HEADERS if (value := call.header(name)) is not None}
        service, _, method = path.removeprefix("/").rpartition("/")
        return self._tracer.start_span(
            path.removeprefix("/"),
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": method},
        )

    def end(self, span: Any, note: RequestNote, error: Exception | None) -> None:
        """End the span of a call, with its wait in the queue and its run below it."""
        if span.is_recording():
            number = STATUS_NUMBERS[error.code] if isinstance(error, HeadraceError) else 0 if error is None else 13
            span.set_attribute("rpc.grpc.status_code", number)
            if note.model:
                span.set_attribute("headrace.model", note.model)
                span.set_attribute("headrace.version", note.version)
                span.set_attribute("headrace.rows", note.rows)
            if error is not None:
                _mark_failed(span, error)
            self._phases(span, note)
        span.end()

    def close(self) -> None:
        """Send what is held, as far as the collector takes it in time."""
        self._provider.shutdown()

    def _phases(self, span: Any, note: RequestNote) -> None:
        from opentelemetry.trace import set_span_in_context

        if not note.taken_at:
            return
        context = set_span_in_context(span)
        now_ns, now = time.time_ns(), time.monotonic()
        edges = [now_ns - int((now - at) * 1e9) for at in (note.enqueued_at, note.taken_at)] + [now_ns]
        for name, start_ns, end_ns in zip(("queue", "infer"), edges, edges[1:], strict=False):
            self._tracer.start_span(name, context=context, start_time=start_ns).end(end_time=end_ns)


class TracedApplication:
    """An application whose calls are traced; probes are not.

    Args:
        application: who answers.
        tracer: where spans go.
        settings: which calls begin a trace; one that a caller traces joins his.
    """

    def __init__(self, application: Application, tracer: Tracer, settings: TraceSettings) -> None:
        self._application = application
        self._tracer = tracer
        self._settings = settings
        self._numbers = itertools.count()

    def kind(self, path: str) -> Kind | None:
        """As the application's."""
        return self._application.kind(path)

    def answer(self, path: str, message: bytes, call: Call) -> bytes:
        """Answer as the application does, within a span."""
        if not self._is_traced(path, call):
            return self._application.answer(path, message, call)
        span, call, note = self._begin(path, call)
        try:
            response = self._application.answer(path, message, call)
        except HeadraceError as error:
            self._tracer.end(span, note, error)
            raise
        self._tracer.end(span, note, None)
        return response

    def open(self, path: str, call: Call, replies: Replies) -> Conversation:
        """Begin a stream as the application does, within a span that lasts as long as the stream."""
        if not self._is_traced(path, call):
            return self._application.open(path, call, replies)
        span, noted, note = self._begin(path, call)
        return open_watched(
            lambda watched: self._application.open(path, noted, watched),
            replies,
            lambda error: self._tracer.end(span, note, error),
        )

    def _is_traced(self, path: str, call: Call) -> bool:
        policy = self._settings.policy
        if not policy.on or scope_of(path) is None:
            return False
        return call.header(_HEADERS[0]) is not None or next(self._numbers) % policy.rate == 0

    def _begin(self, path: str, call: Call) -> tuple[Any, Call, RequestNote]:
        span = self._tracer.start(path, call)
        note = call.note if call.note is not None else RequestNote()
        note.trace_id = f"{span.get_span_context().trace_id:032x}"
        return span, replace(call, note=note), note


class _OurLog(logging.Handler):
    """What OpenTelemetry says, as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        _LOG.warning("traces_not_sent", library=record.name, message=record.getMessage())


def _tell_in_our_log() -> None:
    library = logging.getLogger("opentelemetry")
    if not any(isinstance(handler, _OurLog) for handler in library.handlers):
        library.addHandler(_OurLog(logging.WARNING))
        library.propagate = False


def _mark_failed(span: Any, error: Exception) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, str(error)))
