"""How many log lines a second may be written about what comes in floods."""

from __future__ import annotations

import threading

from headrace.core.clock import Clock


class LineBudget:
    """A bucket of lines that refills steadily; safe from any thread.

    Args:
        lines_per_s: how fast it refills.
        burst: lines it holds; it starts full.
        clock: monotonic time.
    """

    def __init__(self, *, lines_per_s: float, burst: int, clock: Clock) -> None:
        self._lines_per_s = lines_per_s
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._lines = float(burst)
        self._at = clock.monotonic()
        self._kept_back = 0

    def take(self, unseen: int = 0) -> int | None:
        """Ask for one line.

        Args:
            unseen: others that were kept back before they came here.

        Returns:
            How many were kept back since the last one that was granted; None: this one is kept back too.
        """
        with self._lock:
            self._kept_back += unseen
            now = self._clock.monotonic()
            self._lines = min(self._burst, self._lines + (now - self._at) * self._lines_per_s)
            self._at = now
            if self._lines < 1:
                self._kept_back += 1
                return None
            self._lines -= 1
            kept_back, self._kept_back = self._kept_back, 0
            return kept_back
