"""What a model version did: counts and durations, taken on the hot path with one lock and no library.

`serving.telemetry.metrics` shows them to Prometheus, `serving.protocol.description` to clients of ModelStatistics.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

LATENCY_BOUNDS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
ROWS_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384)

PHASES = ("queue", "assemble", "infer", "split")
"""Parts of a request's time in the server, in order; `queue` is observed once a request, the others once a batch."""


class Histogram:
    """Counts of values at or below each bound, and their sum. Not locked: its owner is.

    Args:
        bounds: upper bounds, ascending; values beyond the last are counted too.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> Histogram:
        """Snapshot."""
        other = Histogram(self.bounds)
        other.counts = list(self.counts)
        other.total = self.total
        return other

    @property
    def count(self) -> int:
        """Values observed."""
        return sum(self.counts)


@dataclass(frozen=True)
class BatchTimes:
    """Seconds of one batch's phases, and of the wait of each of its requests."""

    queue_s: tuple[float, ...]
    assemble_s: float
    infer_s: float
    split_s: float


@dataclass(frozen=True)
class Totals:
    """Consistent snapshot of one version's statistics.

    Attributes:
        requests: by status name: `OK`, `INVALID_ARGUMENT`, ...
        rows: rows answered.
        batches: batches run.
        failed_batches: of these, those that failed.
        last_inference_ms: milliseconds since the epoch of the last batch; 0 for none.
        latency: seconds of successful requests in the server.
        failed_latency: seconds of the others.
        phases: seconds by phase.
        batch_rows: rows a batch.
        by_batch_rows: rows of a batch -> (batches, seconds of assemble, infer and split).
    """

    requests: dict[str, int]
    rows: int
    batches: int
    failed_batches: int
    last_inference_ms: int
    latency: Histogram
    failed_latency: Histogram
    phases: dict[str, Histogram]
    batch_rows: Histogram
    by_batch_rows: dict[int, tuple[int, float, float, float]]


class VersionStatistics:
    """Counts and durations of one model version; every method is safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._rows = 0
        self._batches = 0
        self._failed_batches = 0
        self._last_inference_s = 0.0
        self._latency = Histogram(LATENCY_BOUNDS_S)
        self._failed_latency = Histogram(LATENCY_BOUNDS_S)
        self._phases = {phase: Histogram(LATENCY_BOUNDS_S) for phase in PHASES}
        self._batch_rows = Histogram(ROWS_BOUNDS)
        self._by_batch_rows: dict[int, tuple[int, float, float, float]] = {}

    def request_ended(self, status: str, seconds: float) -> None:
        """Count a request by the name of its status."""
        with self._lock:
            self._requests[status] += 1
            (self._latency if status == "OK" else self._failed_latency).observe(seconds)

    def batch_ran(self, rows: int, times: BatchTimes) -> None:
        """Count a batch that was answered."""
        with self._lock:
            self._batches += 1
            self._rows += rows
            self._last_inference_s = time.time()
            for wait_s in times.queue_s:
                self._phases["queue"].observe(wait_s)
            self._phases["assemble"].observe(times.assemble_s)
            self._phases["infer"].observe(times.infer_s)
            self._phases["split"].observe(times.split_s)
            self._batch_rows.observe(rows)
            count, assemble_s, infer_s, split_s = self._by_batch_rows.get(rows, (0, 0.0, 0.0, 0.0))
            self._by_batch_rows[rows] = (
                count + 1,
                assemble_s + times.assemble_s,
                infer_s + times.infer_s,
                split_s + times.split_s,
            )

    def batch_failed(self) -> None:
        """Count a batch that failed."""
        with self._lock:
            self._batches += 1
            self._failed_batches += 1

    def totals(self) -> Totals:
        """Consistent snapshot."""
        with self._lock:
            return Totals(
                requests=dict(self._requests),
                rows=self._rows,
                batches=self._batches,
                failed_batches=self._failed_batches,
                last_inference_ms=int(self._last_inference_s * 1000),
                latency=self._latency.copy(),
                failed_latency=self._failed_latency.copy(),
                phases={phase: histogram.copy() for phase, histogram in self._phases.items()},
                batch_rows=self._batch_rows.copy(),
                by_batch_rows=dict(self._by_batch_rows),
            )
