"""What a tuned parameter may be: whole numbers, numbers, or a choice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import DefinitionError


@dataclass(frozen=True)
class IntRange:
    """Whole numbers from `low` to `high`, both included.

    Attributes:
        log: search orders of magnitude alike, instead of differences.
    """

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _check(self.low, self.high, "IntRange", log=self.log)
        if not (isinstance(self.low, int) and isinstance(self.high, int)):
            raise DefinitionError(f"IntRange({self.low}, {self.high}): ends must be whole numbers")

    def nearest(self, value: Any) -> int:
        """The value in the range that is nearest."""
        return min(max(math.floor(float(value) + 0.5), self.low), self.high)


@dataclass(frozen=True)
class FloatRange:
    """Numbers from `low` to `high`, both included.

    Attributes:
        log: search orders of magnitude alike, instead of differences.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check(self.low, self.high, "FloatRange", log=self.log)

    def nearest(self, value: Any) -> float:
        """The value in the range that is nearest."""
        return min(max(float(value), self.low), self.high)


@dataclass(frozen=True, init=False)
class Choice:
    """One of several values that have no order."""

    values: tuple[str | int | float | bool, ...]

    def __init__(self, *values: str | float | bool) -> None:
        object.__setattr__(self, "values", values)
        if len(set(values)) < 2 or len(set(values)) < len(values):
            raise DefinitionError(f"Choice{values}: give at least two values, each once")

    def nearest(self, value: Any) -> str | int | float | bool:
        """The value itself where it is among them, else the first."""
        return value if value in self.values else self.values[0]


Range = IntRange | FloatRange | Choice


def describe_range(one: Range) -> list[Any]:
    """Encode as JSON data."""
    if isinstance(one, Choice):
        return ["choice", *one.values]
    return ["int" if isinstance(one, IntRange) else "float", one.low, one.high, *(["log"] if one.log else [])]


def _check(low: float, high: float, kind: str, *, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DefinitionError(f"{kind}({low}, {high}): ends must be finite")
    if low >= high:
        raise DefinitionError(f"{kind}({low}, {high}) is empty: the first end must be below the second")
    if log and low <= 0:
        raise DefinitionError(f"{kind}({low}, {high}, log=True): a logarithm needs ends above 0")
