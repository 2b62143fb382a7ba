"""Counts, exact sums and what follows from them, extremes, shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headrace.core.errors import DefinitionError
from headrace.features.definition.durations import parse_duration_us
from headrace.features.definition.window_statistics.aggregate import (
    Aggregate,
    ValueAggregate,
    finite_number,
    number_label,
)


@dataclass(frozen=True)
class Count(Aggregate):
    """Events in the window, nulls included; 0 when empty."""

    kind: ClassVar[str] = "count"
    arity: ClassVar[tuple[int, ...]] = (0,)


@dataclass(frozen=True, kw_only=True)
class CountNonNull(Aggregate):
    """Events in the window whose value is not null (Inf counts, NaN unless `nan="skip"`); 0 when there is none.

    Attributes:
        nan: whether NaN counts (`propagate`) or is missing (`skip`).

    Raises:
        DefinitionError: another policy.
    """

    nan: str = "propagate"
    kind: ClassVar[str] = "count_non_null"

    def __post_init__(self) -> None:
        if self.nan not in {"propagate", "skip"}:
            raise DefinitionError(f"CountNonNull(nan={self.nan!r}): allowed: 'propagate', 'skip'")

    @property
    def skip_nan(self) -> bool:
        """Whether NaN counts as missing."""
        return self.nan == "skip"


@dataclass(frozen=True)
class Rate(Aggregate):
    """Events per unit of time: their number over the window's width; 0 when empty. Fixed durations only.

    Attributes:
        unit: a duration, such as `1h`.

    Raises:
        DefinitionError: the unit is no duration longer than zero.
    """

    unit: str = "1h"
    kind: ClassVar[str] = "rate"
    arity: ClassVar[tuple[int, ...]] = (0,)

    def __post_init__(self) -> None:
        if parse_duration_us(self.unit) == 0:
            raise DefinitionError(f"Rate(unit={self.unit!r}): the unit must be longer than zero")

    @property
    def label(self) -> str:
        """`rate` an hour, `rate_per_<unit>` otherwise."""
        return self.kind if self.unit == "1h" else f"rate_per_{self.unit}"

    @property
    def unit_us(self) -> int:
        """The unit in microseconds."""
        return parse_duration_us(self.unit)


@dataclass(frozen=True, kw_only=True)
class Sum(ValueAggregate):
    """Exact sum of the values, rounded once; null when there is none."""

    kind: ClassVar[str] = "sum"


@dataclass(frozen=True, kw_only=True)
class Mean(ValueAggregate):
    """Mean of the values from their exact sum; null when there is none."""

    kind: ClassVar[str] = "mean"


@dataclass(frozen=True, kw_only=True)
class Var(ValueAggregate):
    """Sample variance (n - 1) from exact sums, no cancellation; null below two values, NaN with an infinite one."""

    kind: ClassVar[str] = "var"


@dataclass(frozen=True, kw_only=True)
class Std(ValueAggregate):
    """Square root of the sample variance; null below two values, NaN with an infinite one."""

    kind: ClassVar[str] = "std"


@dataclass(frozen=True, kw_only=True)
class Min(ValueAggregate):
    """Smallest value; null when there is none."""

    kind: ClassVar[str] = "min"


@dataclass(frozen=True, kw_only=True)
class Max(ValueAggregate):
    """Largest value; null when there is none."""

    kind: ClassVar[str] = "max"


@dataclass(frozen=True, kw_only=True)
class Range(ValueAggregate):
    """Largest minus smallest value, one rounding; null when there is none, NaN where both are the same infinity."""

    kind: ClassVar[str] = "range"


@dataclass(frozen=True)
class Share(ValueAggregate):
    """Share of the values that are greater than `above`; null when there is none.

    Attributes:
        above: the threshold, exclusive, in the column's unit.

    Raises:
        DefinitionError: the threshold is not a finite number.
    """

    above: float
    kind: ClassVar[str] = "share"

    def __post_init__(self) -> None:
        super().__post_init__()
        finite_number(self, "above", self.above)

    @property
    def label(self) -> str:
        """`share_above_15`; a minus sign and a point become letters, for names that every tool accepts."""
        return f"share_above_{number_label(self.above)}"

    @property
    def parameter(self) -> float | None:
        """The threshold."""
        return float(self.above)
