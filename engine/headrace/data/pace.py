"""How fast a source is read, and how long the rest of it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.core.progress import Step
    from headrace.data.reading import Part

SHOWN_AFTER_S = 1.0


class Pace:
    """Tells a progress step rows, rows a second, and, where the source's size is known, the time left."""

    def __init__(self, step: Step, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._step = step
        self._total = total
        self._clock = clock
        self._began = clock()
        self._bytes = 0
        self._rows = 0

    def add(self, part: Part) -> None:
        """Count one piece."""
        self._bytes += part.read_bytes
        self._rows += part.rows
        self._step.advance(part.read_bytes if self._total is not None else part.rows)
        self._step.note(self.text())

    def text(self) -> str:
        """Such as `1,200,000 rows · 810,000 rows/s · 12 s left`; a second's work says its rows alone."""
        took = self._clock() - self._began
        pieces = [f"{self._rows:,} rows"]
        if took >= SHOWN_AFTER_S:
            pieces.append(f"{self._rows / took:,.0f} rows/s")
            if self._total is not None and self._bytes:
                left = max(0.0, took * (self._total / self._bytes - 1))
                pieces.append(f"{left:,.0f} s left" if left < 120 else f"{left / 60:,.0f} min left")
        return " · ".join(pieces)
