"""What every statistic says about itself: its name, how many columns it reads and of what kind, its policies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from headrace.core.errors import DefinitionError

NanPolicy: TypeAlias = Literal["propagate", "skip"]
Reads: TypeAlias = Literal["numbers", "categories", "numeric_categories"]


@dataclass(frozen=True)
class Aggregate:
    """One statistic of a window; subclasses name it.

    Attributes:
        kind: the statistic's name in plans and kernels.
        arity: how many value columns it may read.
        reads: what they hold: numbers and booleans; or strings, whole numbers and booleans; or the latter two.
    """

    kind: ClassVar[str]
    arity: ClassVar[tuple[int, ...]] = (1,)
    reads: ClassVar[Reads] = "numbers"

    @property
    def statistic(self) -> str:
        """Lower-case name of the kernels' `Statistic`."""
        return self.kind

    @property
    def label(self) -> str:
        """The statistic's part of a feature name."""
        return self.kind

    @property
    def parameter(self) -> float | None:
        """The statistic's number in the kernels' unit, or None."""
        return None

    @property
    def skip_nan(self) -> bool:
        """Whether NaN counts as missing."""
        return False

    @property
    def empty_value(self) -> float | None:
        """What stands where there is no value; None for null."""
        return None


@dataclass(frozen=True, kw_only=True)
class ValueAggregate(Aggregate):
    """A statistic that may have no value.

    Attributes:
        nan: `propagate`: one NaN inside the window makes the value NaN; `skip`: NaN counts as missing.
        empty: value where there is none; None for null.

    Raises:
        DefinitionError: another policy, or an `empty` that is no finite number.
    """

    nan: NanPolicy = "propagate"
    empty: float | None = None

    def __post_init__(self) -> None:
        if self.nan not in {"propagate", "skip"}:
            raise DefinitionError(f"{type(self).__name__}(nan={self.nan!r}): allowed: 'propagate', 'skip'")
        if self.empty is not None:
            finite_number(self, "empty", self.empty)

    @property
    def skip_nan(self) -> bool:
        """Whether NaN counts as missing."""
        return self.nan == "skip"

    @property
    def empty_value(self) -> float | None:
        """What stands where there is no value; None for null."""
        return None if self.empty is None else float(self.empty)


def finite_number(aggregate: Aggregate, name: str, value: float) -> None:
    """Check a parameter.

    Raises:
        DefinitionError: it is not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DefinitionError(f"{type(aggregate).__name__}({name}={value!r}): {name} must be a finite number")


def whole_number(aggregate: Aggregate, name: str, value: int, at_least: int) -> None:
    """Check a parameter.

    Raises:
        DefinitionError: it is not a whole number, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise DefinitionError(
            f"{type(aggregate).__name__}({name}={value!r}): {name} must be a whole number, at least {at_least}"
        )


def number_label(value: float) -> str:
    """A number in words that every tool accepts in a name: `0p5`, `minus_2`."""
    return f"{value:.15g}".replace("-", "minus_").replace(".", "p").replace("+", "")
