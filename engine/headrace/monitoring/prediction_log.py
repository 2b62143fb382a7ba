"""The prediction log: what was asked and answered, written off the hot path into whole columnar segments."""

from __future__ import annotations

import itertools
import os
import secrets
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import InvalidInputError
from headrace.core.logging import get_logger

_LOG = get_logger("prediction_log")


@dataclass(frozen=True)
class PredictionBatch:
    """Rows one version answered together.

    Attributes:
        ids: one an answered row; labels are joined by it.
        features: float32[n, F], row-major; NaN = missing.
        scores: float32[n], or float32[n, K] for K classes.
        logged_at: aware, UTC.
    """

    model: str
    version: int
    ids: Sequence[str]
    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    logged_at: datetime


@dataclass(frozen=True)
class LogCounts:
    """Rows by what became of them; offered = written + pending + lost_full + lost_failed + lost_closed.

    Attributes:
        lost_full: refused because `pending_rows` were waiting already.
        lost_failed: in a segment that could not be written.
        lost_closed: offered after `close`.
    """

    offered: int = 0
    written: int = 0
    pending: int = 0
    lost_full: int = 0
    lost_failed: int = 0
    lost_closed: int = 0

    @property
    def lost(self) -> int:
        """Rows that will never be read."""
        return self.lost_full + self.lost_failed + self.lost_closed


@dataclass(frozen=True)
class LogLimits:
    """Bounds of memory, delay and file size.

    Attributes:
        pending_rows: rows that may wait for the writer; more are lost and counted.
        segment_rows: a segment is written as soon as this many rows wait.
        flush_interval_s: a row waits at most about this long: what a killed process loses.
    """

    pending_rows: int = 200_000
    segment_rows: int = 50_000
    flush_interval_s: float = 2.0


class PredictionLog:
    """Takes batches from any thread without blocking and writes segments from one thread of its own.

    Invariants: `append` never waits for a disk; at most `pending_rows` rows are held; every row is written, pending or
    counted as lost; a segment in the folder is whole. A killed process loses what was pending, nothing else.

    Args:
        folder: root of the log; segments go to `folder/<model>/`. Several processes may write to one folder.
        limits: bounds of memory, delay and file size.
    """

    def __init__(self, folder: Path, limits: LogLimits = LogLimits()) -> None:
        self._folder = folder
        self._limits = limits
        self._writer_id = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._queue: deque[PredictionBatch] = deque()
        self._queued_rows = 0
        self._counts = dict.fromkeys((field.name for field in fields(LogCounts)), 0)
        self._flush_wanted = 0
        self._flushed = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def append(self, batch: PredictionBatch) -> bool:
        """Hand over a batch; its arrays are copied, so the caller may reuse them.

        Returns:
            False when the batch was lost (and counted): the log is full or closed.

        Raises:
            InvalidInputError: ids, features and scores disagree in their number of rows, or are not float32.
        """
        batch = _checked(batch)
        rows = len(batch.ids)
        with self._changed:
            self._count(offered=rows)
            if self._closed:
                self._count(lost_closed=rows)
                return False
            if self._counts["pending"] + rows > self._limits.pending_rows:
                self._count(lost_full=rows)
                return False
            self._queue.append(batch)
            self._queued_rows += rows
            self._count(pending=rows)
            if self._queued_rows >= self._limits.segment_rows or len(self._queue) == 1:
                self._changed.notify_all()
        return True

    def counts(self) -> LogCounts:
        """Consistent snapshot of the counts since the log was opened."""
        with self._changed:
            return LogCounts(**self._counts)

    def flush(self) -> None:
        """Wait until every row appended before this call is written or counted as lost."""
        with self._changed:
            self._flush_wanted += 1
            ticket = self._flush_wanted
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._flushed >= ticket or not self._thread.is_alive())

    def close(self) -> LogCounts:
        """Write what is pending, stop the writer and give the final counts; a second call does nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        return self.counts()

    def _count(self, **added: int) -> None:
        """Add to the counts; the caller holds the lock."""
        for name, rows in added.items():
            self._counts[name] += rows

    def _run(self) -> None:
        try:
            self._write_until_closed()
        finally:
            with self._changed:
                self._changed.notify_all()  # nobody waits for a writer that is gone

    def _write_until_closed(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue) or self._closed or self._flush_wanted > self._flushed)
                self._changed.wait_for(self._due, timeout=self._limits.flush_interval_s)
                batches, ticket, closing = list(self._queue), self._flush_wanted, self._closed
                self._queue.clear()
                self._queued_rows = 0
            for group in _groups(batches):
                self._write(group)
            with self._changed:
                self._flushed = ticket
                self._changed.notify_all()

    def _due(self) -> bool:
        return self._closed or self._flush_wanted > self._flushed or self._queued_rows >= self._limits.segment_rows

    def _write(self, group: Sequence[PredictionBatch]) -> None:
        rows = sum(len(batch.ids) for batch in group)
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        name = f"{moment}-{self._writer_id}-{next(self._numbers):06d}.arrow"
        try:
            from headrace.monitoring.prediction_segments import write_segment

            write_segment(self._folder / group[0].model / name, group)
        except Exception as error:  # noqa: BLE001  a full disk must not end the log: the loss is counted and told
            with self._changed:
                self._count(pending=-rows, lost_failed=rows)
            _LOG.error("prediction_segment_lost", model=group[0].model, rows=rows, error=repr(error))
        else:
            with self._changed:
                self._count(pending=-rows, written=rows)


def _groups(batches: Sequence[PredictionBatch]) -> list[list[PredictionBatch]]:
    """One group a (model, version): a segment has one width and one set of feature names."""
    groups: dict[tuple[str, int], list[PredictionBatch]] = {}
    for batch in batches:
        groups.setdefault((batch.model, batch.version), []).append(batch)
    return list(groups.values())


def _checked(batch: PredictionBatch) -> PredictionBatch:
    features, scores, rows = batch.features, batch.scores, len(batch.ids)
    if features.dtype != np.float32 or scores.dtype != np.float32:
        raise InvalidInputError(f"features are {features.dtype} and scores {scores.dtype}; both must be float32")
    if features.ndim != 2 or len(features) != rows or scores.ndim not in {1, 2} or len(scores) != rows:
        raise InvalidInputError(f"{rows} ids, features {features.shape}, scores {scores.shape}: rows must agree")
    return replace(batch, ids=tuple(batch.ids), features=features.copy(order="C"), scores=scores.copy(order="C"))
