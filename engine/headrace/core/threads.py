"""A thread pool that Ctrl-C cannot lock up.

`concurrent.futures` and `threading` take their locks in Python code. A `KeyboardInterrupt` that the main thread meets
right behind such a step leaves the lock taken: workers wait for it for ever, and whoever closes the pool waits for the
workers. Here Ctrl-C waits while the main thread is inside of them, and is looked for again and again in a long wait.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, TypeVar

from headrace.core.interrupts import interrupt_held

_LOOK_AGAIN_S = 0.05
_Value = TypeVar("_Value")


class ThreadPool(ThreadPoolExecutor):
    """A `ThreadPoolExecutor`; wait for what it was given with `result_of` and `wait_for`.

    An error that leaves its block, Ctrl-C for one, cancels what no thread has begun.
    """

    def submit(self, function: Callable[..., _Value], /, *arguments: Any, **named: Any) -> Future[_Value]:
        """Let a thread call the function."""
        with interrupt_held():
            return super().submit(function, *arguments, **named)

    def map(  # type: ignore[override]  # one iterable, no limit of time: what is used
        self, function: Callable[[Any], _Value], values: Iterable[Any]
    ) -> Iterator[_Value]:
        """Results in the values' order; an error of a call comes at its place, and what follows is cancelled."""
        futures = [self.submit(function, value) for value in values]
        futures.reverse()

        def results() -> Iterator[_Value]:
            try:
                while futures:
                    yield result_of(futures.pop())
            finally:
                for future in futures:
                    future.cancel()

        return results()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  its signature
        """Take no more; with `wait`, when everything is done."""
        with interrupt_held():
            super().shutdown(wait, cancel_futures=cancel_futures)
            if wait:
                self._threads = set()  # collected here: what Python calls for that may not raise, and loses a Ctrl-C

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(cancel_futures=kind is not None)


def wait_for(
    futures: Collection[Future[_Value]], return_when: str = ALL_COMPLETED
) -> tuple[set[Future[_Value]], set[Future[_Value]]]:
    """Wait as `concurrent.futures.wait` does: what is done, and what is not."""
    while True:
        with interrupt_held():
            done, others = wait(futures, _LOOK_AGAIN_S, return_when)
        if not others or (done and return_when != ALL_COMPLETED):
            return done, others


def result_of(future: Future[_Value]) -> _Value:
    """The future's result, or its error, when it is there."""
    while True:
        with interrupt_held():
            wait([future], _LOOK_AGAIN_S)
            if future.done():
                return future.result()
