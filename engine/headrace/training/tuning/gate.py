"""While one trial is measured, the others wait between two trees: a latency is not measured beside training."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from headrace.training.trained import CurvePoint

WAIT_S = 2.0
"""Longest wait for the others to reach the end of a tree; then it is measured beside them, and said so."""

MEASURING_S = 20.0
"""Longest time that training waits for a measurement."""


class Gate:
    """Lets trials train, or one of them measure.

    Invariants, under the lock: `_waiting <= _training`; at most one thread measures.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._turn = threading.Lock()
        self._training = 0
        self._waiting = 0
        self._closed = False

    @contextmanager
    def training(self) -> Iterator[None]:
        """Count this thread among those that train; do not begin while another measures."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed, MEASURING_S)
            self._training += 1
        try:
            yield
        finally:
            with self._changed:
                self._training -= 1
                self._changed.notify_all()

    def __call__(self, booster: Any, curve: Sequence[CurvePoint]) -> None:  # noqa: ARG002  a TreeWatcher
        """Wait here while another thread measures; a `TreeWatcher`."""
        if not self._closed:
            return
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._closed, MEASURING_S)
            self._waiting -= 1

    @contextmanager
    def measuring(self) -> Iterator[bool]:
        """Hold the others; gives whether all of them wait. Not to be entered by a thread that counts as training."""
        with self._turn:
            with self._changed:
                self._closed = True
                alone = self._changed.wait_for(lambda: self._waiting == self._training, WAIT_S)
            try:
                yield alone
            finally:
                with self._changed:
                    self._closed = False
                    self._changed.notify_all()
