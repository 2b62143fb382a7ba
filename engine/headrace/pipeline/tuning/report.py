"""What a tuning of a project found, in figures and in a sentence that does not flatter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.evaluation import Comparison, Figure
from headrace.training.tuning import TuningResult


@dataclass(frozen=True)
class TuningReport:
    """A tuning, and its winner on rows that no trial has seen.

    Attributes:
        project: its name.
        model: the model's name.
        result: every trial.
        comparison: the winner against the untuned model on the test part, paired; None where the untuned model stays,
            where none met the target, or where the tuning was interrupted.
        test: `rows` and `blocks` (days) of the test part.
        frozen: file of the winner's parameters; None where there is none.
    """

    project: str
    model: str
    result: TuningResult
    comparison: Comparison | None = None
    test: tuple[int, int] = (0, 0)
    frozen: Path | None = None

    @property
    def gain(self) -> Figure | None:
        """Improvement of the watched metric on the test part, positive is better."""
        return self.comparison.improvement[self.comparison.metric] if self.comparison else None

    @property
    def verdict(self) -> str:
        """What may be said of the winner, in a sentence."""
        if not self.result.ranked:
            return "no trial may win yet"
        if self.result.refused:
            return self.result.refused
        assert self.comparison is not None
        gain, metric = self.comparison.improvement[self.comparison.metric], self.comparison.metric
        figures = f"{gain.value:+.4f}, 95 % interval [{gain.low:+.4f}, {gain.high:+.4f}]"
        rows = f"on {self.test[0]:,} test rows of {self.test[1]} days"
        untuned = self.result.untuned
        if gain.low > 0:
            return f"the tuned model is better {rows}: {metric} {figures}"
        if untuned is not None and not untuned.is_feasible:
            return f"the untuned model misses the target; the tuned one meets it at {metric} {figures} {rows}"
        if gain.high < 0:
            return f"the tuned model is WORSE {rows}, though better on validation rows: {metric} {figures}"
        return f"the tuned model is not shown to be better {rows}: {metric} {figures} holds zero"

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "project": self.project,
            "model": self.model,
            **self.result.to_json(),
            "verdict": self.verdict,
            "comparison": self.comparison.to_json() if self.comparison else None,
            "test": {"rows": self.test[0], "days": self.test[1]},
            "frozen": str(self.frozen) if self.frozen else None,
        }
