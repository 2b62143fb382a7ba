"""Whether a column ascends, row after row: what says that rows come in the order of time, or have a running number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from headrace_kernels.dtypes import Integers

Direction = Literal["constant", "ascending", "descending", "unordered"]


@dataclass(frozen=True, slots=True)
class Ordering:
    """Neighbours among a column's values, nulls left out, in the order of rows. Exact.

    `a + b` is the ordering of a's rows followed by b's: the only statistic of a profile that asks who comes first.

    Attributes:
        first, last: values at the ends; None without any.
        up, equal, down: pairs of neighbours by their direction.
        step_back: the largest step down, in the column's unit.
    """

    first: int | None = None
    last: int | None = None
    up: int = 0
    equal: int = 0
    down: int = 0
    step_back: int = 0

    @classmethod
    def of(cls, values: Integers) -> Ordering:
        """Ordering of int64[n] in the order of rows."""
        if not len(values):
            return cls()
        before, after = values[:-1], values[1:]
        up, equal = int(np.count_nonzero(after > before)), int(np.count_nonzero(after == before))
        down = len(before) - up - equal
        step_back = 0
        if down:
            falls = after < before
            step_back = int((before[falls].view(np.uint64) - after[falls].view(np.uint64)).max())
        return cls(int(values[0]), int(values[-1]), up, equal, down, step_back)

    def __add__(self, other: Ordering) -> Ordering:
        """Ordering of these rows followed by the other's."""
        if self.last is None or other.first is None:
            return other if self.last is None else self
        return replace(
            self,
            last=other.last,
            up=self.up + other.up + (other.first > self.last),
            equal=self.equal + other.equal + (other.first == self.last),
            down=self.down + other.down + (other.first < self.last),
            step_back=max(self.step_back, other.step_back, self.last - other.first),
        )

    @property
    def direction(self) -> Direction:
        """Where the values go; a single value, or none, is constant."""
        if self.up and self.down:
            return "unordered"
        return "ascending" if self.up else "descending" if self.down else "constant"

    @property
    def strict(self) -> bool:
        """Whether no value comes twice, because each lies beyond the one before."""
        return self.last is not None and not self.equal and self.direction != "unordered"
