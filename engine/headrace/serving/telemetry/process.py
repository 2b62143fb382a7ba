"""Metrics of the process itself, whatever it serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric


class ProcessMetrics:
    """Memory, descriptors, CPU time and threads under the names every Prometheus client uses, and the build."""

    def __init__(self) -> None:
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """Snapshot of the process."""
        yield from self._process.collect()
        threads = GaugeMetricFamily("process_threads", "Threads of the process, those of native libraries included.")
        threads.add_metric((), sum(1 for _ in Path("/proc/self/task").iterdir()))
        yield threads
