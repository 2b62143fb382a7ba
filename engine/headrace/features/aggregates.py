"""The statistics a window can hold. Each states its null, NaN and empty policy; `explain` shows the events behind one.

Nulls are skipped. NaN propagates while it is inside the window; an infinite value does what IEEE arithmetic says and is
gone when it leaves. An empty window counts 0 and has no other value (null, NaN in the matrix).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from headrace.core.errors import DefinitionError


@dataclass(frozen=True)
class Aggregate:
    """One statistic of a window; subclasses name it.

    Attributes:
        kind: the statistic's name in plans and kernels.
        needs_column: whether it reads a value column, or only counts events.
    """

    kind: ClassVar[str]
    needs_column: ClassVar[bool] = True

    @property
    def label(self) -> str:
        """The statistic's part of a feature name."""
        return self.kind


@dataclass(frozen=True)
class Count(Aggregate):
    """Events in the window, nulls included; 0 when empty."""

    kind: ClassVar[str] = "count"
    needs_column: ClassVar[bool] = False


@dataclass(frozen=True)
class CountNonNull(Aggregate):
    """Events in the window whose value is not null (NaN and Inf count); 0 when there is none."""

    kind: ClassVar[str] = "count_non_null"


@dataclass(frozen=True)
class Sum(Aggregate):
    """Exact sum of the values, rounded once; null when there is none."""

    kind: ClassVar[str] = "sum"


@dataclass(frozen=True)
class Mean(Aggregate):
    """Mean of the values from their exact sum; null when there is none."""

    kind: ClassVar[str] = "mean"


@dataclass(frozen=True)
class Var(Aggregate):
    """Sample variance (n - 1) from exact sums, no cancellation; null below two values, NaN with an infinite one."""

    kind: ClassVar[str] = "var"


@dataclass(frozen=True)
class Std(Aggregate):
    """Square root of the sample variance; null below two values, NaN with an infinite one."""

    kind: ClassVar[str] = "std"


@dataclass(frozen=True)
class Min(Aggregate):
    """Smallest value; null when there is none."""

    kind: ClassVar[str] = "min"


@dataclass(frozen=True)
class Max(Aggregate):
    """Largest value; null when there is none."""

    kind: ClassVar[str] = "max"


@dataclass(frozen=True)
class Share(Aggregate):
    """Share of the values that are greater than `above`; null when there is none.

    Attributes:
        above: the threshold, exclusive, in the column's unit.

    Raises:
        DefinitionError: the threshold is not a finite number.
    """

    above: float
    kind: ClassVar[str] = "share"

    def __post_init__(self) -> None:
        if isinstance(self.above, bool) or not isinstance(self.above, int | float) or not math.isfinite(self.above):
            raise DefinitionError(f"Share(above={self.above!r}): the threshold must be a finite number")

    @property
    def label(self) -> str:
        """`share_above_15`; a minus sign and a point become letters, for names that every tool accepts."""
        return f"share_above_{self.above:.15g}".replace("-", "minus_").replace(".", "p").replace("+", "")
