"""How long a batch takes, learned from batches as they run: a fixed part and a part for each row."""

from __future__ import annotations

MEMORY_BATCHES = 16
"""A batch weighs half as much as the newest one once about two thirds as many have run after it."""

SURPRISE = 2.0
"""A batch that takes this many times its prediction, or this part of it, is a surprise."""

SLOWER, FASTER = 3, 6
"""So many surprises of one kind in a row are a change; fewer are disturbances, and count as if at the bound. To be slow
in seeing that batches take longer is the dearer mistake."""

_SAME_SIZE = 0.02
"""Below this spread of sizes the two parts cannot be told apart: their ratio is kept, their scale is learned."""


class ServiceTimes:
    """Service time of a batch of n rows: `fixed_s + row_s * n`, by least squares of the relative errors.

    Sums over past batches fade by 1/16 a batch, so a change is learned within some tens of batches, and one of over
    twice within three. Not locked: its owner is.

    Attributes:
        fixed_s: seconds of a batch, however many rows it has.
        row_s: seconds that each row adds.
        told_apart: whether sizes differed enough lately to know one from the other.

    Complexity: constant, about a microsecond a batch.
    """

    __slots__ = ("_ones", "_rates", "_rows", "_squares", "_surprises", "_weights", "fixed_s", "row_s", "told_apart")

    def __init__(self) -> None:
        self.fixed_s = 0.0
        self.row_s = 0.0
        self.told_apart = False
        self._surprises = 0
        self._weights = self._rows = self._squares = self._ones = self._rates = 0.0

    @property
    def known(self) -> bool:
        """Whether a batch has been seen."""
        return self.row_s > 0.0 or self.fixed_s > 0.0

    def predict_s(self, rows: float) -> float:
        """Seconds that a batch of so many rows takes."""
        return self.fixed_s + self.row_s * rows

    def add(self, rows: int, seconds: float) -> bool:
        """Learn from a batch; whether it showed a change."""
        seconds = max(seconds, 1e-7)
        if not self.known:
            self.row_s = seconds / rows  # until sizes differ, all of it is blamed on the rows: large batches look slow
        expected_s = self.fixed_s + self.row_s * rows
        ratio = seconds / expected_s
        changed = False
        if 1 / SURPRISE < ratio < SURPRISE or not self._foresees(rows):
            self._surprises = 0
        elif self._surprised(ratio):
            changed = True
        else:
            seconds = expected_s * (SURPRISE if ratio > 1 else 1 / SURPRISE)
        keep = 1 - 1 / MEMORY_BATCHES
        one, row = 1 / seconds, rows / seconds
        self._weights = self._weights * keep + one * one
        self._rows = self._rows * keep + one * row
        self._squares = self._squares * keep + row * row
        self._ones = self._ones * keep + one
        self._rates = self._rates * keep + row
        self._solve()
        return changed

    def _foresees(self, rows: int) -> bool:
        """Whether such a batch can surprise: batches of its size, or of several sizes, have been seen."""
        return self.told_apart or 0.5 * self._weights * rows < self._rows < 2.0 * self._weights * rows

    def _surprised(self, ratio: float) -> bool:
        """Count a surprise; whether it makes a change, by which all that was learned is scaled."""
        side = 1 if ratio > 1 else -1
        self._surprises = self._surprises + side if self._surprises * side > 0 else side
        if -FASTER < self._surprises < SLOWER:
            return False
        self._surprises = 0
        self.fixed_s *= ratio
        self.row_s *= ratio
        self._weights = self._rows = self._squares = self._ones = self._rates = 0.0
        return True

    def _solve(self) -> None:
        determinant = self._weights * self._squares - self._rows * self._rows
        self.told_apart = determinant > _SAME_SIZE * self._weights * self._squares
        if self.told_apart:
            fixed_s = (self._ones * self._squares - self._rates * self._rows) / determinant
            row_s = (self._rates * self._weights - self._ones * self._rows) / determinant
            if fixed_s >= 0.0 and row_s >= 0.0:
                self.fixed_s, self.row_s = fixed_s, row_s
            elif fixed_s < 0.0:
                self.fixed_s, self.row_s = 0.0, self._rates / self._squares
            else:
                self.fixed_s, self.row_s = self._ones / self._weights, 0.0
            return
        fixed_s, row_s = self.fixed_s, self.row_s
        scale = (fixed_s * self._ones + row_s * self._rates) / (
            fixed_s * fixed_s * self._weights + 2 * fixed_s * row_s * self._rows + row_s * row_s * self._squares
        )
        self.fixed_s, self.row_s = fixed_s * scale, row_s * scale
