"""One trial as it is told to others, and as it is kept in the study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from headrace.core.hashing import finite_or_none
from headrace.training.tuning.measurement import Measured

FACTS = "headrace"
_KEPT_POINTS = 100


class State(Enum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class Origin(Enum):
    """Where a trial's parameters come from."""

    UNTUNED = "untuned"  # the project's own
    DECLARED = "declared"  # the user's, to be tried first
    EARLIER = "earlier"  # the best of an earlier study
    SAMPLED = "sampled"


@dataclass(frozen=True)
class Trial:
    """What a trial found.

    Attributes:
        number: in its study, from 0.
        state: how it ended.
        origin: where its parameters come from.
        chosen: point of the search space.
        params: LightGBM's parameters it was trained with.
        value: the watched metric on the validation part at the best iteration, or the mean over folds; None where it
            did not end.
        trees: at which the value was found; of folds their mean.
        curve: (trees, value); of folds the last one's.
        folds: the value of each fold; empty where there are none.
        measured: of the compiled model; None where it was not measured.
        excess: target -> by how much it is missed, as a share; 0 or less is met.
        seconds: of training and measuring.
        reason: why it failed.
    """

    number: int
    state: State
    origin: Origin
    chosen: Mapping[str, Any]
    params: Mapping[str, Any]
    value: float | None = None
    trees: int = 0
    curve: Sequence[tuple[int, float]] = ()
    folds: Sequence[float] = ()
    measured: Measured | None = None
    excess: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether it was trained to its end."""
        return self.state is State.COMPLETE and self.value is not None

    @property
    def is_feasible(self) -> bool:
        """Whether it was trained to its end and meets every target; only such a trial can win."""
        return self.is_complete and all(share <= 0 for share in self.excess.values())

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "number": self.number,
            "state": self.state.value,
            "value": self.value,
            "chosen": dict(self.chosen),
            "feasible": self.is_feasible,
            **self.facts(),
        }

    def facts(self) -> dict[str, Any]:
        """Encode what the study does not keep by itself."""
        return {
            "origin": self.origin.value,
            "params": dict(self.params),
            "trees": self.trees,
            "curve": [[trees, finite_or_none(value)] for trees, value in thinned(self.curve)],
            "folds": list(self.folds),
            "measured": self.measured.to_json() if self.measured else None,
            "excess": dict(self.excess),
            "seconds": round(self.seconds, 3),
            "reason": self.reason,
        }

    @classmethod
    def of_study(cls, frozen: Any) -> Trial:
        """Read a finished trial of an Optuna study."""
        facts = frozen.user_attrs.get(FACTS, {})
        states = {"COMPLETE": State.COMPLETE, "PRUNED": State.PRUNED}
        return cls(
            number=frozen.number,
            state=states.get(frozen.state.name, State.FAILED),
            origin=Origin(facts.get("origin", "sampled")),
            chosen=frozen.params,
            params=facts.get("params", {}),
            value=frozen.value if frozen.state.name == "COMPLETE" else None,
            trees=facts.get("trees", 0),
            curve=[(trees, math.nan if value is None else value) for trees, value in facts.get("curve", [])],
            folds=facts.get("folds", []),
            measured=Measured(**facts["measured"]) if facts.get("measured") else None,
            excess=facts.get("excess", {}),
            seconds=facts.get("seconds", 0.0),
            reason=facts.get("reason", ""),
        )


def thinned(curve: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most a hundred points of a curve, its last one among them."""
    step = -(-len(curve) // _KEPT_POINTS) if curve else 1
    return [*curve[:-1:step], *curve[-1:]]
