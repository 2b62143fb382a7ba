"""Workers that serve now, and how to ask them all the same thing at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import HeadraceError
from headrace.serving.workers.link import wait_for
from headrace.serving.workers.process import WorkerProcess


@dataclass(frozen=True)
class Reply:
    """What one worker answered: a value, or the error in its place."""

    worker: WorkerProcess
    value: Any = None
    error: HeadraceError | None = None


class Roster:
    """The workers that serve; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: tuple[WorkerProcess, ...] = ()

    @property
    def workers(self) -> tuple[WorkerProcess, ...]:
        """Those that serve at the moment."""
        return self._workers

    def add(self, worker: WorkerProcess) -> None:
        """Note that a worker serves."""
        with self._lock:
            self._workers = (*self._workers, worker)

    def remove(self, worker: WorkerProcess) -> None:
        """Note that it does not any more."""
        with self._lock:
            self._workers = tuple(one for one in self._workers if one is not worker)


def ask_all(workers: Iterable[WorkerProcess], do: str, timeout_s: float, **parameters: Any) -> list[Reply]:
    """Ask workers, all at once, and wait for all.

    Returns:
        One reply a worker that is still there; one that went meanwhile has no say.
    """
    until = time.monotonic() + timeout_s
    asked = [(worker, worker.link.ask(do, **parameters)) for worker in workers]
    replies = []
    for worker, future in asked:
        try:
            replies.append(Reply(worker, wait_for(future, do, max(0.0, until - time.monotonic()))))
        except HeadraceError as error:
            if not worker.lost.is_set():
                replies.append(Reply(worker, error=error))
    return replies
