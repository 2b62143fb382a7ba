"""The server's Prometheus metrics: every name, unit, label and meaning, and the port that shows them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headrace.serving.models.manager import FleetManager
from headrace.serving.protocol.service import InferenceService
from headrace.serving.telemetry.recorder import Recorder
from headrace.serving.telemetry.statistics import Histogram, Totals

_VERSION_LABELS = ("model", "version")


class ServerCollector(Collector):
    """Reads the server's own counters when Prometheus asks; the hot path knows nothing of it.

    Requests that name no served model are shown with empty `model` and `version`.
    """

    def __init__(self, manager: FleetManager, service: InferenceService, recorder: Recorder | None) -> None:
        self._manager = manager
        self._service = service
        self._recorder = recorder

    def describe(self) -> list[Metric]:
        """Nothing ahead of time: the names below are this collector's alone."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Snapshot of every metric."""
        ready = GaugeMetricFamily("headrace_ready", "1 while the server takes requests, 0 while it starts or drains.")
        ready.add_metric((), float(self._service.ready))
        yield ready
        totals = {
            (deployment.name, str(number)): version.statistics.totals()
            for deployment in self._manager.fleet.deployments.values()
            for number, version in deployment.versions.items()
        }
        totals["", ""] = self._service.unrouted.totals()
        yield from _requests(totals)
        yield from self._versions()
        yield from self._loads()
        if self._recorder is not None:
            rows = CounterMetricFamily(
                "headrace_prediction_log_rows", "Rows of the prediction log by outcome.", labels=("outcome",)
            )
            for outcome, count in self._recorder.counts().items():
                if outcome != "pending":
                    rows.add_metric((outcome,), count)
            yield rows

    def _versions(self) -> Iterator[Metric]:
        loaded = GaugeMetricFamily(
            "headrace_version_info",
            "1 for every loaded version; role: champion, candidate, or kept for a rollback.",
            labels=(*_VERSION_LABELS, "digest", "role", "device", "device_reason"),
        )
        waiting = GaugeMetricFamily("headrace_queue_rows", "Rows that wait for a batch.", labels=_VERSION_LABELS)
        for deployment in self._manager.fleet.deployments.values():
            for number, version in deployment.versions.items():
                labels = (deployment.name, str(number))
                routed = deployment.route.versions
                role = "champion" if number == routed[0] else "candidate" if number in routed else "kept"
                placement = version.session.placement
                loaded.add_metric((*labels, version.identity.digest, role, placement.device, placement.reason), 1.0)
                waiting.add_metric(labels, version.queue.waiting_rows)
        yield loaded
        yield waiting

    def _loads(self) -> Iterator[Metric]:
        counts, fallbacks = self._manager.loads.counts()
        loads = CounterMetricFamily(
            "headrace_model_loads",
            "Attempts to load a version by outcome: ok, corrupted, not_found, ...",
            labels=(*_VERSION_LABELS, "outcome"),
        )
        for labels, count in counts.items():
            loads.add_metric(labels, count)
        yield loads
        fell_back = CounterMetricFamily(
            "headrace_device_fallbacks",
            "Loads that asked for CUDA and run on the CPU, by reason.",
            labels=("model", "reason"),
        )
        for pair, count in fallbacks.items():
            fell_back.add_metric(pair, count)
        yield fell_back


class MetricsPort:
    """Shows the metrics on a port of its own, from a daemon thread.

    Args:
        collector: what to show.
        host: interface to listen on.
        port: 0: any free one.

    Raises:
        OSError: the port cannot be opened.
    """

    def __init__(self, collector: ServerCollector, *, host: str, port: int) -> None:
        registry = CollectorRegistry()
        registry.register(collector)
        app = make_wsgi_app(registry)
        self._server = make_server(host, port, app, server_class=_ThreadingServer, handler_class=_QuietHandler)
        self.address = f"{host}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Scrapes are no events."""


def _requests(totals: dict[tuple[str, str], Totals]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "headrace_requests", "ModelInfer requests by status.", labels=(*_VERSION_LABELS, "status")
    )
    rows = CounterMetricFamily("headrace_rows", "Rows answered.", labels=_VERSION_LABELS)
    failed = CounterMetricFamily("headrace_failed_batches", "Batches that failed.", labels=_VERSION_LABELS)
    latency = HistogramMetricFamily(
        "headrace_request_seconds", "Time of a successful request in the server.", labels=_VERSION_LABELS
    )
    phases = HistogramMetricFamily(
        "headrace_phase_seconds",
        "Time by phase: queue (a request), assemble, infer and split (a batch).",
        labels=(*_VERSION_LABELS, "phase"),
    )
    batch_rows = HistogramMetricFamily("headrace_batch_rows", "Rows of a batch.", labels=_VERSION_LABELS)
    for labels, total in totals.items():
        for status, count in total.requests.items():
            requests.add_metric((*labels, status), count)
        if labels == ("", ""):
            continue
        rows.add_metric(labels, total.rows)
        failed.add_metric(labels, total.failed_batches)
        latency.add_metric(labels, _buckets(total.latency), total.latency.total)
        batch_rows.add_metric(labels, _buckets(total.batch_rows), total.batch_rows.total)
        for phase, histogram in total.phases.items():
            phases.add_metric((*labels, phase), _buckets(histogram), histogram.total)
    yield from (requests, rows, failed, latency, phases, batch_rows)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound, as the exposition format wants them."""
    cumulative = 0.0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        cumulative += count
        buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), cumulative))
    return buckets
