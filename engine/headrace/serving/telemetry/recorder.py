"""Answers on their way to the prediction log: a request only appends to a list, another thread does the rest."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.clock import Clock
from headrace.monitoring.prediction_log import LogCounts, PredictionBatch, PredictionLog
from headrace.serving.models.version import VersionIdentity

FLUSH_S = 0.05
MAX_HELD_ROWS = 100_000


@dataclass(frozen=True)
class Answer:
    """One request's rows and scores.

    Attributes:
        ids: one an answered row.
        features: float32[n, F].
        scores: float32[n] or float32[n, K].
    """

    identity: VersionIdentity
    ids: Sequence[str]
    features: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    at: datetime


class Recorder:
    """Hands answers to the prediction log, many at a time.

    Invariants: `record` takes no lock that is held over work; every answer is handed over, or counted as lost; answers
    recorded before `close` are in the log when it returns.

    Args:
        log: the prediction log.
        clock: wall time of the answers.
    """

    def __init__(self, log: PredictionLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._held: list[Answer] = []
        self._held_rows = 0
        self._lost_rows = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-recorder", daemon=True)
        self._thread.start()

    def record(self, identity: VersionIdentity, ids: Sequence[str], features: Any, scores: Any) -> None:
        """Take one request's answer; what is not float32 matrices is not logged."""
        if features.dtype != np.float32 or features.ndim != 2 or scores.dtype != np.float32:
            return
        if scores.ndim == 2 and scores.shape[1] == 1:
            scores = scores[:, 0]
        answer = Answer(identity, ids, features, scores, self._clock.now())
        with self._lock:
            if self._held_rows + len(ids) > MAX_HELD_ROWS:
                self._lost_rows += len(ids)
                return
            self._held.append(answer)
            self._held_rows += len(ids)

    def counts(self) -> dict[str, int]:
        """Rows by outcome: `written`, `pending`, `lost`."""
        counts: LogCounts = self._log.counts()
        with self._lock:
            return {
                "written": counts.written,
                "pending": counts.pending + self._held_rows,
                "lost": counts.lost + self._lost_rows,
            }

    def close(self) -> None:
        """Hand over what is held, and close the log."""
        self._stop.set()
        self._thread.join()
        self._hand_over()
        self._log.close()

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_S):
            self._hand_over()

    def _hand_over(self) -> None:
        with self._lock:
            answers, self._held, self._held_rows = self._held, [], 0
        groups: dict[tuple[str, int, tuple[int, ...]], list[Answer]] = {}
        for answer in answers:
            shape = (answer.features.shape[1], *answer.scores.shape[1:])
            groups.setdefault((answer.identity.model, answer.identity.version, shape), []).append(answer)
        for (model, version, _), group in groups.items():
            self._log.append(
                PredictionBatch(
                    model=model,
                    version=version,
                    ids=[name for answer in group for name in answer.ids],
                    features=np.concatenate([answer.features for answer in group]),
                    scores=np.concatenate([answer.scores for answer in group]),
                    logged_at=group[0].at,
                )
            )
