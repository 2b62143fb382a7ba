"""How two columns, or a column and time, move together: from exact integer sums, rounded once.

The values of a pair are written under `("x", "y")`. A pair with a null on either side is skipped; NaN or Inf inside
gives NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headrace.features.definition.window_statistics.aggregate import ValueAggregate


@dataclass(frozen=True, kw_only=True)
class Cov(ValueAggregate):
    """Sample covariance (n - 1); null below two pairs."""

    kind: ClassVar[str] = "cov"
    arity: ClassVar[tuple[int, ...]] = (2,)


@dataclass(frozen=True, kw_only=True)
class Corr(ValueAggregate):
    """Pearson's correlation, never outside [-1, 1]; null below two pairs, or where a side does not vary."""

    kind: ClassVar[str] = "corr"
    arity: ClassVar[tuple[int, ...]] = (2,)


@dataclass(frozen=True, kw_only=True)
class Slope(ValueAggregate):
    """Least-squares slope of y on x, for the pair ("x", "y"); null below two pairs, or where x does not vary."""

    kind: ClassVar[str] = "slope"
    arity: ClassVar[tuple[int, ...]] = (2,)


@dataclass(frozen=True, kw_only=True)
class Trend(ValueAggregate):
    """Least-squares slope of the value on event time, per second; null below two values, or at one single time."""

    kind: ClassVar[str] = "trend"
