"""Time as something passed in: decisions take a clock, tests pass one they turn by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for durations."""

    def now(self) -> datetime:
        """Wall time, UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Wall time, UTC, aware."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()


@dataclass
class ManualClock:
    """A clock that moves only when told to: `advance` moves wall and monotonic time together."""

    start: datetime = datetime(2013, 1, 1, tzinfo=UTC)
    elapsed_s: float = field(default=0.0, init=False)

    def now(self) -> datetime:
        """Wall time, UTC, aware."""
        return self.start + timedelta(seconds=self.elapsed_s)

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self.elapsed_s

    def advance(self, seconds: float) -> None:
        """Move both times forward."""
        self.elapsed_s += seconds
