"""What is told about requests: access log and traces."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from structlog.testing import capture_logs

from headrace.client.messages import InferCall
from headrace.core.clock import ManualClock
from headrace.core.errors import HeadraceError, InvalidInputError, NotFoundError, UnavailableError
from headrace.serving.telemetry.access_log import REFUSED_BURST, REFUSED_LINES_PER_S, AccessLog
from headrace.serving.telemetry.line_budget import LineBudget
from headrace.serving.telemetry.traces import Tracer
from headrace.serving.transport.seam import Call
from headrace.wire.methods import METHODS

ROW = np.ones((2, 4), np.float32)
INFER = METHODS["ModelInfer"].path


class Noting:
    """An application that notes who asked what, and refuses when told to."""

    def __init__(self, error=None):
        self._error = error

    def kind(self, path):
        return None

    def answer(self, path, message, call):
        call.note.model, call.note.version, call.note.rows, call.note.caller = "late", "3", 2, "job"
        call.note.request_id, call.note.enqueued_at, call.note.taken_at = "r" * 500, 1.0, 1.25
        if self._error is not None:
            raise self._error
        return b""

    def open(self, path, call, replies):
        if self._error is not None:
            raise self._error
        return Conversation(replies)


class Conversation:
    """Ends with an error when it gets a message."""

    def __init__(self, replies):
        self._replies = replies

    def received(self, message):
        raise NotFoundError("no such model")

    def half_closed(self):
        self._replies.finish()

    def ended(self):
        pass


class Replies:
    def send(self, message):
        pass

    def finish(self, error=None):
        pass


def lines(log, path=INFER, times=1):
    call = Call(None, lambda _: True, peer="10.0.0.1:99")
    with capture_logs() as events:
        for _ in range(times):
            try:
                log.answer(path, b"", call)
            except HeadraceError:
                continue
    return [event for event in events if event["event"] == "request"]


def test_a_line_has_everything_about_the_request():
    (line,) = lines(AccessLog(Noting(), share=1.0, clock=ManualClock()))
    line.pop("part", None)
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "ModelInfer",
        "model": "late",
        "version": "3",
        "status": "OK",
        "rows": 2,
        "queue_us": 250_000,
        "total_us": 0,
        "peer": "10.0.0.1:99",
        "key": "job",
        "request_id": "r" * 200,
    }


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.25, 25), (1.0, 100)])
def test_a_share_of_requests_gets_a_line(share, expected):
    chances = iter([n / 100 for n in range(100)] * 2)
    log = AccessLog(Noting(), share=share, clock=ManualClock(), chance=lambda: next(chances))
    assert len(lines(log, times=100)) == expected


def test_calls_that_change_the_server_always_get_a_line_and_reading_ones_never():
    log = AccessLog(Noting(), share=1.0, clock=ManualClock(), chance=lambda: 0.0)
    assert len(lines(log, METHODS["RepositoryModelUnload"].path)) == 1
    assert not lines(log, METHODS["ModelMetadata"].path)
    assert not lines(log, METHODS["ServerLive"].path)


def test_refused_requests_are_told_within_a_budget_and_what_was_kept_back_is_counted():
    clock = ManualClock()
    log = AccessLog(Noting(NotFoundError("no model 'x'\nforged: line")), share=0.0, clock=clock)
    told = lines(log, times=REFUSED_BURST + 50)
    assert len(told) == REFUSED_BURST
    assert (told[0]["status"], told[0]["error"]) == ("NOT_FOUND", "no model 'x'\nforged: line")
    clock.advance(1.0 / REFUSED_LINES_PER_S)
    (line,) = lines(log)
    assert line["lines_kept_back"] == 50


def test_a_stream_gets_a_line_when_it_is_over():
    log = AccessLog(Noting(), share=1.0, clock=ManualClock(), chance=lambda: 0.0)
    call = Call(None, lambda _: True)
    with capture_logs() as events:
        stream = log.open(METHODS["ModelStreamInfer"].path, call, Replies())
        with pytest.raises(NotFoundError):
            stream.received(b"")
        stream.ended()
        other = log.open(METHODS["ModelStreamInfer"].path, call, Replies())
        other.half_closed()
        other.ended()
    assert [event["status"] for event in events] == ["NOT_FOUND", "OK"]


def test_a_budget_never_grants_more_than_its_rate_and_burst():
    clock = ManualClock()
    budget = LineBudget(lines_per_s=10, burst=5, clock=clock)
    granted = 0
    for _ in range(1000):
        granted += budget.take() is not None
        clock.advance(0.01)
    assert 5 + 10 * 10 - 2 <= granted <= 5 + 10 * 10


def test_requests_are_logged_from_end_to_end(start):
    with capture_logs() as events:
        _server, client = start(access_log=1.0)
        client.infer("late", ROW, request_id="mine")
        with pytest.raises(NotFoundError):
            client.infer("nobody", ROW)
        limit = time.monotonic() + 10
        while len(lines := [event for event in events if event["event"] == "request"]) < 2:
            assert time.monotonic() < limit
            time.sleep(0.01)
    refused, ok = sorted(lines, key=lambda line: line["status"])
    assert (ok["model"], ok["version"], ok["rows"], ok["request_id"], ok["status"]) == ("late", "1", 2, "mine", "OK")
    assert 0 <= ok["queue_us"] <= ok["total_us"]
    assert ok["peer"].startswith("127.0.0.1:")
    assert (refused["model"], refused["status"]) == ("nobody", "NOT_FOUND")


@pytest.fixture
def collector():
    """An OpenTelemetry collector: its endpoint, and the spans that came."""
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    spans = []

    def export(request, _context):
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                spans.extend(scope.spans)
        return service.ExportTraceServiceResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        export,
        request_deserializer=service.ExportTraceServiceRequest.FromString,
        response_serializer=service.ExportTraceServiceResponse.SerializeToString,
    )
    name = "opentelemetry.proto.collector.trace.v1.TraceService"
    server = grpc.server(
        ThreadPoolExecutor(2), handlers=(grpc.method_handlers_generic_handler(name, {"Export": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", spans
    server.stop(None).wait()


def test_spans_join_the_callers_trace_with_wait_and_run_below_them(start, collector):
    endpoint, spans = collector
    server, client = start(traces=endpoint)
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    request = InferCall("late", ROW).to_message().SerializeToString()
    with grpc.insecure_channel(client.address) as channel:
        infer = channel.unary_unary(INFER, lambda given: given, lambda given: given)
        infer(request, metadata=(("traceparent", f"00-{trace}-{parent}-01"),), timeout=5)
        infer(request, metadata=(("traceparent", f"00-{trace}-{parent}-00"),), timeout=5)  # the caller samples it not
        infer(request, metadata=(("traceparent", "nonsense"),), timeout=5)
        with pytest.raises(grpc.RpcError):
            infer(b"\xff", timeout=5)
        channel.unary_unary(METHODS["ServerLive"].path, lambda given: given, lambda given: given)(b"", timeout=5)
    server.drain()
    joined = {span.name: span for span in spans if span.trace_id.hex() == trace}
    assert set(joined) == {INFER[1:], "queue", "infer"}
    top, queue, infer_span = joined[INFER[1:]], joined["queue"], joined["infer"]
    assert top.parent_span_id.hex() == parent
    assert queue.parent_span_id == infer_span.parent_span_id == top.span_id
    assert top.start_time_unix_nano <= queue.start_time_unix_nano + 1_000_000
    assert queue.end_time_unix_nano == infer_span.start_time_unix_nano
    attributes = {one.key: one.value for one in top.attributes}
    assert attributes["headrace.model"].string_value == "late"
    assert attributes["headrace.rows"].int_value == 2
    assert attributes["rpc.grpc.status_code"].int_value == 0
    others = [span.attributes for span in spans if span.trace_id.hex() != trace and span.name == INFER[1:]]
    statuses = [one.value.int_value for found in others for one in found if one.key == "rpc.grpc.status_code"]
    assert sorted(statuses) == [0, 3]


@pytest.mark.slow
def test_a_collector_that_is_not_there_holds_nothing_up(start):
    pytest.importorskip("opentelemetry.sdk")
    with capture_logs() as events:
        server, client = start(traces="http://127.0.0.1:9")
        for _ in range(20):
            client.infer("late", ROW)
        begin = time.monotonic()
        server.drain()
        assert time.monotonic() - begin < 8.0
    assert any(event["event"] == "traces_not_sent" for event in events)


@pytest.mark.parametrize(
    "endpoint", ["", "localhost:4317", "http://", "http://host", "ftp://host:1", "http://host:port"]
)
def test_a_wrong_endpoint_of_traces_is_refused_in_words(endpoint):
    with pytest.raises(InvalidInputError, match="the trace endpoint is"):
        Tracer(endpoint)


def test_traces_without_the_extra_say_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(UnavailableError, match="OpenTelemetry SDK") as caught:
        Tracer("http://127.0.0.1:4317")
    assert "headrace[telemetry]" in caught.value.hint
