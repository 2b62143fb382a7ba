"""Values at the ends of a window, and what two of them say. Order is (time, available_at, sequence, position).

Null values are skipped: the last value is the last that is not null. NaN is a value and is returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headrace.core.errors import DefinitionError
from headrace.features.definition.durations import parse_duration_us
from headrace.features.definition.window_statistics.aggregate import ValueAggregate, whole_number


@dataclass(frozen=True, kw_only=True)
class First(ValueAggregate):
    """Oldest value; null when there is none."""

    kind: ClassVar[str] = "first"


@dataclass(frozen=True, kw_only=True)
class Last(ValueAggregate):
    """Newest value; null when there is none."""

    kind: ClassVar[str] = "last"


@dataclass(frozen=True)
class Lag(ValueAggregate):
    """The value `n` places before the newest; null when there are not so many. `Lag(0)` is `Last`.

    Attributes:
        n: how many places, counted in values that are not null.

    Raises:
        DefinitionError: not a whole number from 0.
    """

    n: int
    kind: ClassVar[str] = "lag"

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number(self, "n", self.n, 0)

    @property
    def label(self) -> str:
        """`lag_2`."""
        return f"lag_{self.n}"

    @property
    def parameter(self) -> float | None:
        """How many places."""
        return float(self.n)


@dataclass(frozen=True, kw_only=True)
class Diff(ValueAggregate):
    """Newest value minus the one before; null below two values."""

    kind: ClassVar[str] = "diff"


@dataclass(frozen=True, kw_only=True)
class Ratio(ValueAggregate):
    """Newest value over the one before, as IEEE divides; null below two values."""

    kind: ClassVar[str] = "ratio"


@dataclass(frozen=True)
class SinceLast(ValueAggregate):
    """Time from the newest event, or from the newest whose value is not null, to the query time; null without one.

    Attributes:
        unit: a duration; the value is in multiples of it.

    Raises:
        DefinitionError: the unit is no duration longer than zero.
    """

    unit: str = "1h"
    kind: ClassVar[str] = "since_last"
    arity: ClassVar[tuple[int, ...]] = (0, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if parse_duration_us(self.unit) == 0:
            raise DefinitionError(f"SinceLast(unit={self.unit!r}): the unit must be longer than zero")

    @property
    def label(self) -> str:
        """`since_last` in hours, `since_last_in_<unit>` otherwise."""
        return self.kind if self.unit == "1h" else f"since_last_in_{self.unit}"

    @property
    def parameter(self) -> float | None:
        """Microseconds of the unit."""
        return float(parse_duration_us(self.unit))
