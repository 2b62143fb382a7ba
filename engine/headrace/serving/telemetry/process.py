"""Metrics of the process itself, whatever it serves."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from headrace import __version__


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


def build_info(transport: str) -> Metric:
    """What runs.

    Args:
        transport: name of the front door.
    """
    build = GaugeMetricFamily("headrace_build_info", "1; what runs.", labels=("version", "python", "transport"))
    build.add_metric((__version__, platform.python_version(), transport), 1.0)
    return build
