"""Statistics that forget: an event weighs 2 ** -(age / half_life). Summed oldest first, for the same bits always."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headrace.core.errors import DefinitionError
from headrace.features.definition.durations import parse_duration_us
from headrace.features.definition.window_statistics.aggregate import Aggregate, ValueAggregate


@dataclass(frozen=True)
class DecayedCount(Aggregate):
    """Sum of the weights of the events, or of those whose value is not null; 0 when there is none.

    Attributes:
        half_life: a duration after which an event weighs half.

    Raises:
        DefinitionError: the half-life is no duration longer than zero.
    """

    half_life: str
    kind: ClassVar[str] = "decayed_count"
    arity: ClassVar[tuple[int, ...]] = (0, 1)

    def __post_init__(self) -> None:
        _check_half_life(self, self.half_life)

    @property
    def label(self) -> str:
        """`decayed_count_6h`."""
        return f"{self.kind}_{self.half_life}"

    @property
    def parameter(self) -> float | None:
        """The half-life in microseconds."""
        return float(parse_duration_us(self.half_life))


@dataclass(frozen=True)
class _Decayed(ValueAggregate):
    half_life: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_half_life(self, self.half_life)

    @property
    def label(self) -> str:
        """`decayed_mean_6h`."""
        return f"{self.kind}_{self.half_life}"

    @property
    def parameter(self) -> float | None:
        """The half-life in microseconds."""
        return float(parse_duration_us(self.half_life))


@dataclass(frozen=True)
class DecayedSum(_Decayed):
    """Sum of weight times value; null when there is none.

    Attributes:
        half_life: a duration after which an event weighs half.

    Raises:
        DefinitionError: the half-life is no duration longer than zero.
    """

    kind: ClassVar[str] = "decayed_sum"


@dataclass(frozen=True)
class DecayedMean(_Decayed):
    """Sum of weight times value over the sum of weights; null when there is none.

    Attributes:
        half_life: a duration after which an event weighs half.

    Raises:
        DefinitionError: the half-life is no duration longer than zero.
    """

    kind: ClassVar[str] = "decayed_mean"


def _check_half_life(aggregate: Aggregate, half_life: str) -> None:
    if parse_duration_us(half_life) == 0:
        raise DefinitionError(f"{type(aggregate).__name__}(half_life={half_life!r}): it must be longer than zero")
