"""Whether a device may be asked: after it ran out of memory later and later, after anything else never again."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from headrace.serving.runtime.devices import OUT_OF_MEMORY

FIRST_REST_S = 1.0
LONGEST_REST_S = 60.0
MOST_RESTS = 8
"""Failures for want of memory, with no batch done between them, after which the device is taken for lost."""


class DeviceGuard:
    """What is known of a device from how its batches ended; safe from any thread.

    Invariant: `problem` is empty exactly where the device has not failed since it last finished a batch.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.problem = ""
        self._now = now
        self._lock = threading.Lock()
        self._failures = 0
        self._rests_until = -math.inf

    @property
    def is_lost(self) -> bool:
        """Whether the device is not asked any more."""
        return self._rests_until == math.inf

    def may_run(self) -> bool:
        """Whether a batch may go to the device now."""
        return not self.problem or (not self.is_lost and self._now() >= self._rests_until)

    def ran(self) -> bool:
        """The device finished a batch; whether that is news."""
        if not self.problem or self.is_lost:
            return False
        with self._lock:
            news = bool(self.problem) and not self.is_lost
            if news:
                self.problem, self._failures, self._rests_until = "", 0, -math.inf
            return news

    def failed(self, reason: str, message: str) -> None:
        """The device failed with a batch.

        Args:
            reason: `OUT_OF_MEMORY` or `LOST`.
            message: what it said.
        """
        with self._lock:
            if self.is_lost or (reason == OUT_OF_MEMORY and self._now() < self._rests_until):
                return  # batches that ran side by side met one failure
            self._failures += 1
            passing = reason == OUT_OF_MEMORY and self._failures < MOST_RESTS
            rest_s = min(FIRST_REST_S * 2.0 ** (self._failures - 1), LONGEST_REST_S) if passing else math.inf
            self._rests_until = self._now() + rest_s
            self.problem = f"{reason}: {message}" if message else reason
