"""Quantiles: exact order statistics, linear between two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headrace.core.errors import DefinitionError
from headrace.features.definition.window_statistics.aggregate import ValueAggregate, finite_number, number_label


@dataclass(frozen=True)
class Quantile(ValueAggregate):
    """The value below which a share `p` of the values lies, linear between neighbours; null when there is none.

    Attributes:
        p: from 0 to 1.

    Raises:
        DefinitionError: not a number from 0 to 1.

    Reference: R. J. Hyndman and Y. Fan, Sample Quantiles in Statistical Packages (1996), definition 7.
    """

    p: float
    kind: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        super().__post_init__()
        finite_number(self, "p", self.p)
        if not 0.0 <= self.p <= 1.0:
            raise DefinitionError(f"Quantile(p={self.p!r}): p must lie between 0 and 1")

    @property
    def label(self) -> str:
        """`quantile_0p95`."""
        return f"quantile_{number_label(self.p)}"

    @property
    def parameter(self) -> float | None:
        """The share."""
        return float(self.p)


@dataclass(frozen=True, kw_only=True)
class Median(ValueAggregate):
    """The middle value, or the mean of the middle two; null when there is none."""

    kind: ClassVar[str] = "median"

    @property
    def statistic(self) -> str:
        """`quantile`: a median is one."""
        return "quantile"

    @property
    def parameter(self) -> float | None:
        """One half."""
        return 0.5
