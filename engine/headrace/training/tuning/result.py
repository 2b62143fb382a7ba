"""What a tuning found: every trial, the front, and the model that may be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.core.errors import FailedCheckError
from headrace.training.tuning.front import pareto_front
from headrace.training.tuning.measurement import Measured, Targets
from headrace.training.tuning.trial import Origin, State, Trial


@dataclass(frozen=True)
class TuningResult:
    """What a tuning found so far.

    Attributes:
        study: its name.
        metric: what was watched.
        higher_is_better: the metric's direction.
        targets: what a model must keep to.
        trials: that ended, in their order.
        spent_s: wall time, over all resumptions.
        jobs: trials side by side.
        interrupted: by Ctrl-C; the same tuning goes on from here.
        confirmed: trial -> measured once more, alone, because it was to win.
        importance: parameter -> share of what it explains of the values; empty of few trials.
    """

    study: str
    metric: str
    higher_is_better: bool
    targets: Targets
    trials: Sequence[Trial]
    spent_s: float
    jobs: int = 1
    interrupted: bool = False
    confirmed: Mapping[int, Measured] = field(default_factory=dict)
    importance: Mapping[str, float] = field(default_factory=dict)

    @property
    def untuned(self) -> Trial | None:
        """The trial with the project's own parameters; None where it did not end."""
        found = [one for one in self.trials if one.origin is Origin.UNTUNED and one.is_complete]
        return found[0] if found else None

    @property
    def ranked(self) -> list[Trial]:
        """Trials that may win, the best first; of equal ones the earliest, so that the untuned model is kept."""
        sign = -1.0 if self.higher_is_better else 1.0
        able = [one for one in self.trials if one.is_feasible and self._stood(one)]
        return sorted(able, key=lambda one: (sign * (one.value or 0.0), one.number))

    @property
    def winner(self) -> Trial:
        """The best trial that meets every target.

        Raises:
            FailedCheckError: none does, or none ended.
        """
        ranked = self.ranked
        if ranked:
            return ranked[0]
        complete = [one for one in self.trials if one.is_complete]
        if not complete:
            raise FailedCheckError("no trial ended", hint="give the tuning more time, or more trials")
        nearest = min(complete, key=lambda one: max(self._excess(one).values(), default=0.0))
        reached = f"the nearest was trial {nearest.number}: {self._reached(nearest)}"
        raise FailedCheckError(
            f"no trial met the target ({self.targets}); {reached}",
            hint="allow more, or give the tuning more time",
        )

    @property
    def refused(self) -> str:
        """Why the untuned model stays; empty where another one wins."""
        best, untuned = self.winner, self.untuned
        if untuned is not None and best.number == untuned.number:
            return f"no trial was better than the untuned model ({self.metric} {untuned.value:.4f} on validation rows)"
        return ""

    @property
    def front(self) -> list[Trial]:
        """Trials that no other beats in value, latency and size at once."""
        return pareto_front(self.trials, higher_is_better=self.higher_is_better)

    def count(self, state: State) -> int:
        """Trials that ended in a state."""
        return sum(one.state is state for one in self.trials)

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data; the winner is left out where there is none."""
        winner = self.ranked[0].to_json() if self.ranked else None
        return {
            "study": self.study,
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "targets": self.targets.to_json(),
            "spent_s": round(self.spent_s, 1),
            "jobs": self.jobs,
            "interrupted": self.interrupted,
            "trials": [one.to_json() for one in self.trials],
            "front": [one.number for one in self.front],
            "winner": winner,
            "untuned": self.untuned.number if self.untuned else None,
            "confirmed": {str(number): found.to_json() for number, found in self.confirmed.items()},
            "importance": dict(self.importance),
        }

    def _excess(self, trial: Trial) -> Mapping[str, float]:
        again = self.confirmed.get(trial.number)
        return self.targets.excess(again) if again is not None else trial.excess

    def _stood(self, trial: Trial) -> bool:
        return all(share <= 0 for share in self._excess(trial).values())

    def _reached(self, trial: Trial) -> str:
        found = self.confirmed.get(trial.number) or trial.measured
        if found is None:
            return "not measured"
        return f"p99 {found.latency_p99_us:.1f} us, {found.over_floor:.2f} x floor, {found.size_bytes:,} bytes"
