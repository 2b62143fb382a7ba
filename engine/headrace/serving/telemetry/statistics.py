"""What a model version did: counts and durations, taken on the hot path with one lock and no library.

`serving.telemetry.metrics` shows them to Prometheus, `serving.protocol.description` to clients of ModelStatistics.
Totals of several sources (the native queue and Python's, several worker processes) are merged, and travel as JSON.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

LATENCY_BOUNDS_S = (
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
ROWS_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384)

PHASES = ("queue", "assemble", "infer", "split")
"""Parts of a request's time in the server, in order; `queue` is observed once a request, the others once a batch."""

BatchSizeTotals = tuple[int, float, float, float]
"""Batches of one size: how many, and their seconds of assemble, infer and split."""


class Histogram:
    """Counts of values at or below each bound, and their sum. Not locked: its owner is.

    Args:
        bounds: upper bounds, ascending; values beyond the last are counted too.
        counts: values at or below each bound and above the one before, then those beyond the last; None: none yet.
        total: sum of the values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float], counts: Sequence[int] | None = None, total: float = 0.0) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1) if counts is None else list(counts)
        self.total = total

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> Histogram:
        """Snapshot."""
        return Histogram(self.bounds, self.counts, self.total)

    def merge(self, other: Histogram) -> Histogram:
        """Both together; their bounds are the same."""
        assert self.bounds == other.bounds
        counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        return Histogram(self.bounds, counts, self.total + other.total)

    @property
    def count(self) -> int:
        """Values observed."""
        return sum(self.counts)


class BatchTimes(NamedTuple):
    """Seconds of the wait of each request of a batch, and of the batch's phases."""

    queue_s: Sequence[float]
    assemble_s: float
    infer_s: float
    split_s: float


@dataclass(frozen=True)
class Totals:
    """Consistent snapshot of one version's statistics.

    Attributes:
        requests: by status name: `OK`, `INVALID_ARGUMENT`, ...
        dropped: requests that were refused, expired or withdrawn, by reason: the values of `batching.queue.Drop`.
        rows: rows answered by the model.
        batches: batches run.
        failed_batches: of these, those that failed.
        last_inference_ms: milliseconds since the epoch of the last batch; 0 for none.
        latency: seconds of successful requests in the server.
        failed_latency: seconds of the others.
        cache_hit_latency: seconds of finding an answer in the response cache.
        cache_miss_latency: seconds of looking for one in vain.
        phases: seconds by phase.
        batch_rows: rows a batch.
        by_batch_rows: rows of a batch -> (batches, seconds of assemble, infer and split).
    """

    requests: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0
    batches: int = 0
    failed_batches: int = 0
    last_inference_ms: int = 0
    latency: Histogram = field(default_factory=lambda: Histogram(LATENCY_BOUNDS_S))
    failed_latency: Histogram = field(default_factory=lambda: Histogram(LATENCY_BOUNDS_S))
    cache_hit_latency: Histogram = field(default_factory=lambda: Histogram(LATENCY_BOUNDS_S))
    cache_miss_latency: Histogram = field(default_factory=lambda: Histogram(LATENCY_BOUNDS_S))
    phases: Mapping[str, Histogram] = field(
        default_factory=lambda: {phase: Histogram(LATENCY_BOUNDS_S) for phase in PHASES}
    )
    batch_rows: Histogram = field(default_factory=lambda: Histogram(ROWS_BOUNDS))
    by_batch_rows: Mapping[int, BatchSizeTotals] = field(default_factory=dict)

    def merge(self, other: Totals) -> Totals:
        """Both together, as if one had counted everything."""
        return Totals(
            requests=Counter(self.requests) + Counter(other.requests),
            dropped=Counter(self.dropped) + Counter(other.dropped),
            rows=self.rows + other.rows,
            batches=self.batches + other.batches,
            failed_batches=self.failed_batches + other.failed_batches,
            last_inference_ms=max(self.last_inference_ms, other.last_inference_ms),
            latency=self.latency.merge(other.latency),
            failed_latency=self.failed_latency.merge(other.failed_latency),
            cache_hit_latency=self.cache_hit_latency.merge(other.cache_hit_latency),
            cache_miss_latency=self.cache_miss_latency.merge(other.cache_miss_latency),
            phases={phase: histogram.merge(other.phases[phase]) for phase, histogram in self.phases.items()},
            batch_rows=self.batch_rows.merge(other.batch_rows),
            by_batch_rows=_merge_sizes(self.by_batch_rows, other.by_batch_rows),
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it; `from_dict` reads it."""
        numbers = ("rows", "batches", "failed_batches", "last_inference_ms")
        return {
            "requests": dict(self.requests),
            "dropped": dict(self.dropped),
            **{name: getattr(self, name) for name in numbers},
            "histograms": {name: [h.counts, h.total] for name, h in self._histograms().items()},
            "by_batch_rows": {str(rows): list(totals) for rows, totals in self.by_batch_rows.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Totals:
        """Read what `to_dict` of the same release wrote."""
        totals = cls(
            requests=dict(content["requests"]),
            dropped=dict(content["dropped"]),
            rows=content["rows"],
            batches=content["batches"],
            failed_batches=content["failed_batches"],
            last_inference_ms=content["last_inference_ms"],
            by_batch_rows={int(rows): tuple(parts) for rows, parts in content["by_batch_rows"].items()},
        )
        for name, histogram in totals._histograms().items():
            counts, histogram.total = content["histograms"][name]
            histogram.counts[:] = counts
        return totals

    def _histograms(self) -> dict[str, Histogram]:
        return {
            "latency": self.latency,
            "failed_latency": self.failed_latency,
            "cache_hit_latency": self.cache_hit_latency,
            "cache_miss_latency": self.cache_miss_latency,
            "batch_rows": self.batch_rows,
            **self.phases,
        }


class Feed(Protocol):
    """Another counter of the same version: the lane of a door that queues requests itself."""

    def totals(self) -> Totals:
        """Consistent snapshot."""
        ...

    def load(self) -> tuple[int, int]:
        """Rows that wait there now, and batches that run."""
        ...


class VersionStatistics:
    """Counts and durations of one model version; every method is safe from any thread.

    Attributes:
        feeds: others that count for the same version; what they say is part of `totals`.
    """

    def __init__(self) -> None:
        self.feeds: list[Feed] = []
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._rows = 0
        self._batches = 0
        self._failed_batches = 0
        self._last_inference_s = 0.0
        self._latency = Histogram(LATENCY_BOUNDS_S)
        self._failed_latency = Histogram(LATENCY_BOUNDS_S)
        self._cache_hit_latency = Histogram(LATENCY_BOUNDS_S)
        self._cache_miss_latency = Histogram(LATENCY_BOUNDS_S)
        self._queue, self._assemble, self._infer, self._split = (Histogram(LATENCY_BOUNDS_S) for _ in PHASES)
        self._batch_rows = Histogram(ROWS_BOUNDS)
        self._by_batch_rows: dict[int, list[float]] = {}

    def request_ended(self, status: str, seconds: float) -> None:
        """Count a request by the name of its status."""
        with self._lock:
            self._requests[status] += 1
            (self._latency if status == "OK" else self._failed_latency).observe(seconds)

    def request_dropped(self, reason: str) -> None:
        """Count a request that was refused, expired or withdrawn."""
        with self._lock:
            self._dropped[reason] += 1

    def cache_looked_up(self, seconds: float, *, hit: bool) -> None:
        """Count a look into the response cache."""
        with self._lock:
            (self._cache_hit_latency if hit else self._cache_miss_latency).observe(seconds)

    def batch_ran(self, rows: int, times: BatchTimes, *, counted: bool = False) -> None:
        """Count a batch that was answered.

        Args:
            rows: its rows.
            times: its phases.
            counted: a feed has counted batch and rows already, before their clients could know of it.
        """
        waits_s, assemble_s, infer_s, split_s = times
        with self._lock:
            if not counted:
                self._batches += 1
                self._rows += rows
            self._last_inference_s = time.time()
            observe = self._queue.observe
            for wait_s in waits_s:
                observe(wait_s)
            self._assemble.observe(assemble_s)
            self._infer.observe(infer_s)
            self._split.observe(split_s)
            self._batch_rows.observe(rows)
            size = self._by_batch_rows.get(rows)
            if size is None:
                size = self._by_batch_rows[rows] = [0, 0.0, 0.0, 0.0]
            size[0] += 1
            size[1] += assemble_s
            size[2] += infer_s
            size[3] += split_s

    def batch_failed(self) -> None:
        """Count a batch that failed."""
        with self._lock:
            self._batches += 1
            self._failed_batches += 1

    def totals(self) -> Totals:
        """Consistent snapshot, of each feed too."""
        totals = self._own_totals()
        for feed in self.feeds:
            totals = totals.merge(feed.totals())
        return totals

    def _own_totals(self) -> Totals:
        with self._lock:
            phases = (self._queue, self._assemble, self._infer, self._split)
            return Totals(
                requests=dict(self._requests),
                dropped=dict(self._dropped),
                rows=self._rows,
                batches=self._batches,
                failed_batches=self._failed_batches,
                last_inference_ms=int(self._last_inference_s * 1000),
                latency=self._latency.copy(),
                failed_latency=self._failed_latency.copy(),
                cache_hit_latency=self._cache_hit_latency.copy(),
                cache_miss_latency=self._cache_miss_latency.copy(),
                phases={name: histogram.copy() for name, histogram in zip(PHASES, phases, strict=True)},
                batch_rows=self._batch_rows.copy(),
                by_batch_rows={
                    rows: (int(size[0]), size[1], size[2], size[3]) for rows, size in self._by_batch_rows.items()
                },
            )


def _merge_sizes(
    one: Mapping[int, BatchSizeTotals], other: Mapping[int, BatchSizeTotals]
) -> dict[int, BatchSizeTotals]:
    merged = dict(one)
    for rows, (count, assemble_s, infer_s, split_s) in other.items():
        known = merged.get(rows, (0, 0.0, 0.0, 0.0))
        merged[rows] = (known[0] + count, known[1] + assemble_s, known[2] + infer_s, known[3] + split_s)
    return merged
