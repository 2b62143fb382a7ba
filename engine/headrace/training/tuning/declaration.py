"""A tuning as a project declares it: what is tried, for how long, and what the model must keep to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from headrace.core.errors import DefinitionError
from headrace.training.tuning.measurement import Targets
from headrace.training.tuning.ranges import Range

DEFAULT_TRIALS = 50
Pruner = Literal["median", "hyperband", "none"]


@dataclass(frozen=True)
class Tuning:
    """How a model is tuned.

    Attributes:
        space: LightGBM parameter -> `hr.IntRange`, `hr.FloatRange` or `hr.Choice`, in place of the default's or beside
            them; None leaves a parameter as the model declares it.
        first: points to try before any is drawn, each LightGBM parameter -> value; the model's own where one is left
            out, the nearest one where a value is outside of the space.
        trials: most trials that are trained; 0: as many as the minutes allow, or 50 where there are none.
        minutes: most minutes, over all resumptions together; 0: no limit.
        latency_p99_us: the compiled model's 99th percentile for one row, in microseconds; None: no target.
        latency_over_floor: the same as a multiple of a tree with two leaves, measured in the same rounds; None: no
            target.
        size_bytes: of the compiled model; None: no target.
        pruner: how hopeless trials end early: by the `median` of the others, by `hyperband`, or `none`.
        jobs: trials side by side; 0: one a thread.
        seed: of the sampler.
    """

    space: Mapping[str, Range | None] = field(default_factory=dict)
    first: Sequence[Mapping[str, Any]] = ()
    trials: int = 0
    minutes: float = 0.0
    latency_p99_us: float | None = None
    latency_over_floor: float | None = None
    size_bytes: int | None = None
    pruner: Pruner = "median"
    jobs: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.trials < 0 or self.minutes < 0 or self.jobs < 0:
            raise DefinitionError(
                f"trials ({self.trials}), minutes ({self.minutes}) and jobs ({self.jobs}) must be at least 0"
            )
        if self.pruner not in get_args(Pruner):
            raise DefinitionError(f"pruner '{self.pruner}' is not known; allowed: {', '.join(get_args(Pruner))}")
        targets = self.targets  # which checks them
        if self.pruner == "hyperband" and targets.any:
            raise DefinitionError(
                "pruner 'hyperband' compares with every trial, also with those that miss the target",
                hint='use pruner="median", which compares with those that meet it',
            )

    @property
    def targets(self) -> Targets:
        """What the compiled model must keep to."""
        return Targets(self.latency_p99_us, self.latency_over_floor, self.size_bytes)

    @property
    def most_trials(self) -> int | None:
        """Most trials; None where only time bounds them."""
        return self.trials or (None if self.minutes else DEFAULT_TRIALS)
