"""What the compiled model must keep to: its latency and its size are constraints of the search, not afterthoughts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from headrace.core.errors import DefinitionError
from headrace.training.trained import TrainedModel


@dataclass(frozen=True)
class Measured:
    """What was measured of a compiled model.

    Attributes:
        latency_p99_us: of one row, in the runtime that serves it, microseconds.
        floor_p99_us: of the smallest forest with the same features, in the same rounds.
        size_bytes: of the compiled model.
        alone: whether no other trial trained meanwhile.
    """

    latency_p99_us: float
    floor_p99_us: float
    size_bytes: int
    alone: bool = True

    @property
    def over_floor(self) -> float:
        """How many times the floor's latency it takes."""
        return self.latency_p99_us / self.floor_p99_us

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return asdict(self)


Measure = Callable[[TrainedModel], Measured]
"""Compiles a model, opens it in the serving runtime and measures it; the pipeline gives one."""


@dataclass(frozen=True)
class Targets:
    """What a measured model must keep to; None sets no target.

    Attributes:
        latency_p99_us: most microseconds for one row, 99th percentile.
        latency_over_floor: most times the floor's.
        size_bytes: most bytes.
    """

    latency_p99_us: float | None = None
    latency_over_floor: float | None = None
    size_bytes: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not value > 0:
                raise DefinitionError(f"target {name} is {value}; it must be above 0")

    @property
    def any(self) -> bool:
        """Whether there is a target."""
        return any(value is not None for value in asdict(self).values())

    def excess(self, measured: Measured) -> dict[str, float]:
        """Target -> by how much it is missed, as a share of it; 0 or less is met. Targets thus weigh alike."""
        found = {
            "latency_p99_us": measured.latency_p99_us,
            "latency_over_floor": measured.over_floor,
            "size_bytes": float(measured.size_bytes),
        }
        wanted = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: found[name] / value - 1 for name, value in wanted.items()}

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data; targets that are not set are left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        words = {"latency_p99_us": "p99 {} us", "latency_over_floor": "p99 {} x floor", "size_bytes": "{:,} bytes"}
        return ", ".join(words[name].format(value) for name, value in self.to_json().items())
