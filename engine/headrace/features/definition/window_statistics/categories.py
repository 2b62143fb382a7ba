"""Statistics of categories: strings, whole numbers and booleans. Null is no category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headrace.features.definition.window_statistics.aggregate import Aggregate, Reads, ValueAggregate, whole_number


@dataclass(frozen=True, kw_only=True)
class Distinct(Aggregate):
    """Number of different values, exact; 0 when there is none.

    Attributes:
        sketch: estimate it by HyperLogLog instead, with memory that does not depend on the number of values.
    """

    sketch: bool = False
    kind: ClassVar[str] = "distinct"
    reads: ClassVar[Reads] = "categories"

    @property
    def statistic(self) -> str:
        """`distinct` or `distinct_sketch`."""
        return "distinct_sketch" if self.sketch else "distinct"

    @property
    def label(self) -> str:
        """`distinct` or `distinct_sketch`."""
        return self.statistic


@dataclass(frozen=True, kw_only=True)
class Mode(ValueAggregate):
    """The most frequent value, of equally frequent ones the smallest; null when there is none. No strings."""

    kind: ClassVar[str] = "mode"
    reads: ClassVar[Reads] = "numeric_categories"


@dataclass(frozen=True)
class TopShare(ValueAggregate):
    """Share of the events that belong to the `n` most frequent values; null when there is none.

    Attributes:
        n: how many values.

    Raises:
        DefinitionError: not a whole number from 1.
    """

    n: int = 1
    kind: ClassVar[str] = "top_share"
    reads: ClassVar[Reads] = "categories"

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number(self, "n", self.n, 1)

    @property
    def label(self) -> str:
        """`top_3_share`."""
        return f"top_{self.n}_share"

    @property
    def parameter(self) -> float | None:
        """How many values."""
        return float(self.n)


@dataclass(frozen=True, kw_only=True)
class Entropy(ValueAggregate):
    """Shannon entropy of the values' frequencies, in nats; null when there is none.

    Reference: C. E. Shannon, A Mathematical Theory of Communication (1948), section 6.
    """

    kind: ClassVar[str] = "entropy"
    reads: ClassVar[Reads] = "categories"
