"""Threads for calls: a few while calls move on, more while all of them are stuck behind slow batches.

A waiting request of the portable transport holds a thread. With a fixed number of threads, requests to one slow model
hold them all, and requests to every other model wait for it (docs/decisions/0511). Many threads from the start cost a
quarter of the throughput (docs/decisions/0502). So the pool grows only while calls wait and none has ended for a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import ParamSpec, TypeVar

STUCK_S = 0.01
"""Calls wait and none has ended for so long: the threads are stuck."""

GROWTH = 8
"""Threads that are added at a time, at most one for each call that waits."""

CALM_S = 1.0
"""Threads that were added go when nothing has been stuck for so long."""

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[[], None] | None


class CallPool(Executor):
    """Runs calls, in the order they came.

    Invariants: at least `threads` threads run until the pool is shut down, never more than `limit`; while a call waits
    and no thread is free, the watcher is awake.

    Args:
        threads: threads while calls move on.
        limit: threads while they do not.
        name: prefix of the threads' names.
    """

    def __init__(self, threads: int, *, limit: int, name: str) -> None:
        self._least = threads
        self._limit = max(threads, limit)
        self._name = name
        self._calls: SimpleQueue[Work] = SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0
        self._busy = 0
        self._ended = 0
        self._stuck_at = float("-inf")
        self._waiting = threading.Event()
        self._closed = False
        for _ in range(threads):
            self._add()
        self._watcher = threading.Thread(target=self._watch, name=f"{name}-watcher", daemon=True)
        self._watcher.start()

    @property
    def threads(self) -> int:
        """Threads now."""
        return self._count

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call on the next thread that is free.

        Raises:
            RuntimeError: the pool is shut down.
        """
        if self._closed:
            raise RuntimeError("the pool is shut down")
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  the future's owner is told
                future.set_exception(error)
            else:
                future.set_result(result)

        self._calls.put(run)
        if self._calls.qsize() > self._count - self._busy:
            self._waiting.set()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  the Executor's own signature
        """Take no more calls, end the threads once those that wait are done."""
        with self._lock:
            self._closed = True
            count = self._count
        if cancel_futures:
            while not self._calls.empty():
                self._calls.get()
        for _ in range(count):
            self._calls.put(None)
        self._waiting.set()
        if wait:
            self._watcher.join()

    def _watch(self) -> None:
        """Add threads while calls wait and none ends."""
        while True:
            self._waiting.wait()
            if self._closed:
                return
            self._waiting.clear()
            ended = self._ended
            time.sleep(STUCK_S)
            waiting = self._calls.qsize()
            if waiting:
                self._waiting.set()
                if self._ended == ended:
                    self._stuck_at = time.monotonic()
                    for _ in range(min(waiting, GROWTH)):
                        self._add()

    def _add(self) -> None:
        with self._lock:
            if self._count >= self._limit or self._closed:
                return
            self._count += 1
            number = self._count
        threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True).start()

    def _work(self) -> None:
        while not self._may_go():
            try:
                call = self._calls.get(timeout=CALM_S if self._count > self._least else None)
            except Empty:
                continue
            if call is None:
                return
            with self._lock:
                self._busy += 1
            call()
            with self._lock:
                self._busy -= 1
                self._ended += 1

    def _may_go(self) -> bool:
        """Whether the thread that asks is one too many, and leaves."""
        if self._count <= self._least or time.monotonic() - self._stuck_at < CALM_S:
            return False
        with self._lock:
            if self._count <= self._least or self._closed:
                return False
            self._count -= 1
            return True
