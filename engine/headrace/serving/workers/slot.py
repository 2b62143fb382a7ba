"""One worker's place: a process is started there, and another when it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from headrace.core.errors import HeadraceError, UnavailableError
from headrace.core.logging import get_logger
from headrace.serving.workers.backoff import delay_s, restarts_in_a_row
from headrace.serving.workers.process import WorkerProcess

_LOG = get_logger("workers")

EXIT_S = 5.0
"""How long a process that has hung up may take to be gone."""

KILL_AGAIN_S = 0.1


class Slot:
    """Keeps one worker running, from a thread of its own.

    Invariants: at most one process at a time; no process outlives `run`; ends that follow each other quickly wait
    longer each time.

    Attributes:
        number: which worker it is.
        first: done when its first worker serves; an error where that could not be started.
        restarts: workers started after the first.

    Args:
        number: as above.
        start: starts a process.
        serve: makes a process load and serve.
        left: told of a process that ended.
        stopping: set when no worker shall be started any more.
    """

    def __init__(
        self,
        number: int,
        *,
        start: Callable[[int], WorkerProcess],
        serve: Callable[[WorkerProcess], None],
        left: Callable[[WorkerProcess], None],
        stopping: threading.Event,
    ) -> None:
        self.number = number
        self.first: Future[None] = Future()
        self.restarts = 0
        self._start = start
        self._serve = serve
        self._left = left
        self._stopping = stopping
        self._worker: WorkerProcess | None = None
        self._thread = threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the process to end; kill it where it does not."""
        self._thread.join(timeout_s)
        while self._thread.is_alive():
            if self._worker is not None:  # a process may just be starting: look again
                self._worker.kill()
            self._thread.join(KILL_AGAIN_S)

    def _run(self) -> None:
        in_a_row = 0
        while not self._stopping.is_set():
            served_s = self._live()
            if self._stopping.is_set() or not self._has_served():
                return
            in_a_row = restarts_in_a_row(in_a_row, served_s)
            wait_s = delay_s(in_a_row)
            _LOG.info("worker_restarts", worker=self.number, in_s=wait_s, in_a_row=in_a_row)
            self._stopping.wait(wait_s)
            self.restarts += 1

    def _live(self) -> float:
        """One process from start to end; for how many seconds it served."""
        try:
            self._worker = worker = self._start(self.number)
        except OSError as error:
            self._failed(UnavailableError(f"worker {self.number} cannot be started: {error.strerror}"))
            return 0.0
        served_from: float | None = None
        try:
            self._serve(worker)
            served_from = time.monotonic()
            if not self.first.done():
                self.first.set_result(None)
            worker.lost.wait()
        except HeadraceError as error:
            ended_first = worker.lost.is_set()
            how = worker.end(EXIT_S if ended_first else 0.0)
            self._failed(
                UnavailableError(f"worker {self.number} ended while it started: {how}") if ended_first else error
            )
        except Exception as error:  # noqa: BLE001  this thread is the worker's only keeper: it must tell, and go on
            _LOG.exception("worker_start_broke", worker=self.number)
            self._failed(HeadraceError(f"worker {self.number} could not be started: {type(error).__name__}"))
        finally:
            self._left(worker)
            ended = worker.end(EXIT_S)
        served_s = time.monotonic() - served_from if served_from is not None else 0.0
        if not self._stopping.is_set() and served_from is not None:
            _LOG.error("worker_ended", worker=self.number, pid=worker.pid, ended=ended, served_s=round(served_s, 3))
        return served_s

    def _failed(self, error: HeadraceError) -> None:
        if not self.first.done():
            self.first.set_exception(error)
        elif not self._stopping.is_set():
            _LOG.error("worker_not_started", worker=self.number, code=error.code.value, error=error.message)

    def _has_served(self) -> bool:
        return self.first.done() and self.first.exception() is None
