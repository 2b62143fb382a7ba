"""What is asked of a model beyond its figures: decisions, fairness, weak slices, robustness, rivals by slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.evaluation.decisions import Decisions
from headrace.evaluation.fairness import Fairness
from headrace.evaluation.found_slices import FoundSlices
from headrace.evaluation.paired.slices import SliceContest
from headrace.evaluation.robustness import Robustness
from headrace.evaluation.thresholds import ThresholdChoice, ThresholdRule, threshold_json


@dataclass(frozen=True)
class Absence:
    """Why a rival that a gate names is not there.

    Attributes:
        reason: in words.
        harmless: nothing could be lost against it, as before the first version; gates on it then pass.
    """

    reason: str
    harmless: bool = False


@dataclass(frozen=True)
class Examined:
    """Further findings that gates may judge; what was not looked at is None or absent.

    Attributes:
        threshold: the model's threshold, chosen before the judged rows were looked at.
        rule: how it was chosen.
        decisions: what follows at the threshold.
        fairness: sensitive column -> decisions by group.
        found_slices: slices nobody declared where the loss is high; some are hard for any model.
        overconfident_slices: slices where a binary model loses more than it expects itself to.
        robustness: what broken inputs cost.
        contests: (rival, metric) -> the model against it in each group.
        absent: rival -> why it is not there.
    """

    threshold: ThresholdChoice | None = None
    rule: ThresholdRule | None = None
    decisions: Decisions | None = None
    fairness: Mapping[str, Fairness] = field(default_factory=dict)
    found_slices: FoundSlices | None = None
    overconfident_slices: FoundSlices | None = None
    robustness: Robustness | None = None
    contests: Mapping[tuple[str, str], tuple[SliceContest, ...]] = field(default_factory=dict)
    absent: Mapping[str, Absence] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data; what was not looked at is left out."""
        contests: dict[str, dict[str, Any]] = {}
        for (rival, metric), groups in self.contests.items():
            contests.setdefault(rival, {})[metric] = [one.to_json() for one in groups]
        rule = threshold_json(self.rule) if self.rule else None
        found: dict[str, Any] = {
            "threshold": {**self.threshold.to_json(), "rule": rule} if self.threshold else None,
            "decisions": self.decisions.to_json() if self.decisions else None,
            "fairness": {column: one.to_json() for column, one in self.fairness.items()},
            "found_slices": self.found_slices.to_json() if self.found_slices else None,
            "overconfident_slices": self.overconfident_slices.to_json() if self.overconfident_slices else None,
            "robustness": self.robustness.to_json() if self.robustness else None,
            "contests": contests,
            "absent": {rival: one.reason for rival, one in self.absent.items()},
        }
        return {name: value for name, value in found.items() if value}
