"""How much more a tuning may do: trials and time, over all resumptions."""

from __future__ import annotations

import threading
import time


class Budget:
    """Counts trials that end and seconds that pass; safe to use from several threads.

    Args:
        trials: most trials; None: no limit.
        seconds: most seconds; None: no limit.
        done: trials that earlier processes ended.
        spent_s: seconds that they took.
    """

    def __init__(self, trials: int | None, seconds: float | None, *, done: int = 0, spent_s: float = 0.0) -> None:
        self._trials = trials
        self._seconds = seconds
        self._taken = done
        self._before = spent_s
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._ended = False

    def take(self) -> bool:
        """Whether one more trial may begin; it then counts."""
        with self._lock:
            if self.is_over() or (self._trials is not None and self._taken >= self._trials):
                return False
            self._taken += 1
            return True

    def is_over(self) -> bool:
        """Whether trials that run must end: time is up, or somebody ended the tuning."""
        return self._ended or (self._seconds is not None and self.spent_s >= self._seconds)

    def end(self) -> None:
        """End the tuning: trials that run end after their current tree."""
        self._ended = True

    @property
    def taken(self) -> int:
        """Trials that ended or run."""
        return self._taken

    @property
    def spent_s(self) -> float:
        """Seconds, those of earlier processes included."""
        return self._before + time.monotonic() - self._began

    @property
    def left_s(self) -> float | None:
        """Seconds that are left; None without a limit."""
        return None if self._seconds is None else max(0.0, self._seconds - self.spent_s)
