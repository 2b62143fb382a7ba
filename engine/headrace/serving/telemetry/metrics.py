"""The server's Prometheus metrics: every name, unit, label and meaning."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headrace import __version__
from headrace.serving.models.manager import FleetManager
from headrace.serving.protocol.service import InferenceService
from headrace.serving.telemetry.http_port import Page
from headrace.serving.telemetry.recorder import Recorder
from headrace.serving.telemetry.statistics import Histogram, Totals

_VERSION_LABELS = ("model", "version")


class ServerCollector:
    """Reads the server's own counters when Prometheus asks; the hot path knows nothing of it.

    Requests that name no served model are shown with empty `model` and `version`.
    """

    def __init__(self, manager: FleetManager, service: InferenceService, recorder: Recorder | None) -> None:
        self._manager = manager
        self._service = service
        self._recorder = recorder

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
                waiting.add_metric(labels, version.waiting_rows)
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
            "Loads that asked for CUDA and run on the CPU, and batches that a device failed with, by reason.",
            labels=("model", "reason"),
        )
        for pair, count in fallbacks.items():
            fell_back.add_metric(pair, count)
        yield fell_back


def metrics_page(collect: Callable[[], Iterable[Metric]], accept: str) -> Page:
    """Show metrics in the format that a scraper's Accept header asks for."""
    encode, content_type = choose_encoder(accept)
    return Page(encode(_Snapshot(collect)), content_type)


def build_info(transport: str) -> Metric:
    """What runs.

    Args:
        transport: name of the front door.
    """
    build = GaugeMetricFamily("headrace_build_info", "1; what runs.", labels=("version", "python", "transport"))
    build.add_metric((__version__, platform.python_version(), transport), 1.0)
    return build


def worker_metrics(serving: Mapping[int, int], restarts: Mapping[int, int]) -> Iterator[Metric]:
    """What a supervisor knows of its workers.

    Args:
        serving: process ids of those that serve, by number.
        restarts: how often each was started again, by number.
    """
    info = GaugeMetricFamily("headrace_worker_info", "1 for every worker that serves.", labels=("worker", "pid"))
    for number, pid in serving.items():
        info.add_metric((str(number), str(pid)), 1.0)
    started = CounterMetricFamily("headrace_worker_restarts", "Workers started again.", labels=("worker",))
    for number, count in restarts.items():
        started.add_metric((str(number),), count)
    yield from (info, started)


class _Snapshot(Collector):
    """What a function collects, as the encoders want it."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()


def _requests(totals: dict[tuple[str, str], Totals]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "headrace_requests", "ModelInfer requests by status.", labels=(*_VERSION_LABELS, "status")
    )
    dropped = CounterMetricFamily(
        "headrace_dropped_requests",
        "Requests that were refused, expired or withdrawn before the model answered, by reason.",
        labels=(*_VERSION_LABELS, "reason"),
    )
    lookups = CounterMetricFamily(
        "headrace_cache_lookups", "Looks into the response cache.", labels=(*_VERSION_LABELS, "outcome")
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
        for reason, count in total.dropped.items():
            dropped.add_metric((*labels, reason), count)
        lookups.add_metric((*labels, "hit"), total.cache_hit_latency.count)
        lookups.add_metric((*labels, "miss"), total.cache_miss_latency.count)
        rows.add_metric(labels, total.rows)
        failed.add_metric(labels, total.failed_batches)
        latency.add_metric(labels, _buckets(total.latency), total.latency.total)
        batch_rows.add_metric(labels, _buckets(total.batch_rows), total.batch_rows.total)
        for phase, histogram in total.phases.items():
            phases.add_metric((*labels, phase), _buckets(histogram), histogram.total)
    yield from (requests, dropped, lookups, rows, failed, latency, phases, batch_rows)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound, as the exposition format wants them."""
    cumulative = 0.0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        cumulative += count
        buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), cumulative))
    return buckets
