"""Choosing a threshold: by what outcomes are worth, by a constraint, or by how many rows can be looked at.

The choice is made on the validation part; what follows from it is judged on the test part (`decide_at`), so its
figures hold no luck of the choice.
Reference: Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.core.hashing import finite_or_none
from headrace.evaluation.decisions import Worth, rates
from headrace.evaluation.metrics import Labels, Scores

MAX_POINTS = 200

Numbers = npt.NDArray[np.float64]
_CONSTRAINED = ("precision", "recall", "false_positive_rate", "selection_rate")


@dataclass(frozen=True)
class CostThreshold:
    """Act where it pays: the threshold of the highest profit.

    Attributes:
        fp: cost of acting wrongly.
        fn: cost of not acting where it was right to.
        tp: gain of acting rightly.
        tn: gain of not acting rightly.
        amount: a spine column that all four are multiplied by, such as the amount of a payment; empty: every row alike.
    """

    fp: float = 1.0
    fn: float = 1.0
    tp: float = 0.0
    tn: float = 0.0
    amount: str = ""

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.fp, self.fn, self.tp, self.tn)):
            raise DefinitionError(f"what outcomes are worth must be finite numbers, not {self}")
        if self.tp + self.fn <= 0 or self.tn + self.fp <= 0:
            raise DefinitionError(
                f"{self}: acting rightly must be worth more than a miss (tp + fn above 0), "
                "and not acting rightly more than a false alarm (tn + fp above 0)"
            )


@dataclass(frozen=True)
class ConstrainedThreshold:
    """Hold a constraint, and within it act as well as can be.

    `precision` at least and `false_positive_rate` or `selection_rate` at most: the lowest threshold that holds it,
    which finds most. `recall` at least: the highest threshold that holds it, which raises the fewest alarms.

    Attributes:
        metric: `precision`, `recall`, `false_positive_rate` or `selection_rate`.
        at_least: the bound of `precision` and `recall`.
        at_most: the bound of `false_positive_rate` and `selection_rate` (a capacity: the share of rows to act on).
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in _CONSTRAINED:
            raise DefinitionError(
                f"a threshold is not constrained by '{self.metric}'; known: {', '.join(_CONSTRAINED)}",
                hint=did_you_mean(self.metric, _CONSTRAINED),
            )
        given, other = (self.at_least, self.at_most) if self.rising else (self.at_most, self.at_least)
        if given is None or other is not None or not 0 <= given <= 1:
            wanted = "at_least" if self.rising else "at_most"
            raise DefinitionError(f"a threshold by {self.metric} needs {wanted}, from 0 to 1, and nothing else")

    @property
    def bound(self) -> float:
        """The one of the two that is given."""
        given = self.at_least if self.rising else self.at_most
        assert given is not None, "checked when declared"
        return given

    @property
    def rising(self) -> bool:
        """Whether more of the metric is wanted."""
        return self.metric in {"precision", "recall"}


ThresholdRule = CostThreshold | ConstrainedThreshold


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold and what it was chosen from.

    Attributes:
        threshold: a float32 number; rows that score at least this are acted on. Infinite: nobody is acted on.
        held: whether the constraint could be held on the rows of the choice; True of a choice by cost.
        curve: name -> values at up to `MAX_POINTS` thresholds, highest first: the rates, and profit where it is known.
    """

    threshold: float
    held: bool
    curve: dict[str, list[float | None]]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data; an infinite threshold is null: nobody is acted on."""
        return {"value": finite_or_none(self.threshold), "held": self.held, "curve": self.curve}


def threshold_json(rule: ThresholdRule) -> dict[str, Any]:
    """Encode a rule as JSON data, for lineage and input digests."""
    return {"rule": type(rule).__name__} | asdict(rule)


def worth_of(rule: ThresholdRule, rows: int, amounts: Numbers | None = None) -> Worth | None:
    """What outcomes are worth, a row each; None of a rule that does not say.

    Args:
        rule: the rule.
        rows: how many.
        amounts: float64[rows], the rule's column; None: every row alike.
    """
    if not isinstance(rule, CostThreshold):
        return None
    each = np.ones(rows) if amounts is None else amounts
    return Worth(rule.tp * each, -rule.fp * each, -rule.fn * each, rule.tn * each)


def choose_threshold(
    rule: ThresholdRule, labels: Labels, scores: Scores, worth: Worth | None = None
) -> ThresholdChoice:
    """Choose a threshold among the float32 scores of the rows, and "nobody".

    Of equally good thresholds the highest is taken: the fewest rows are acted on. O(n log n).

    Args:
        rule: how.
        labels: bool[n].
        scores: float64[n].
        worth: what outcomes are worth, for a rule by cost.
    """
    rounded = scores.astype(np.float32)
    order = np.argsort(-rounded, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(rounded[order])), labels.size - 1)
    tp = np.append(0, np.cumsum(labels[order])[ends]).astype(np.float64)
    taken = np.append(0, ends + 1).astype(np.float64)
    positives = float(labels.sum())
    counts = {"tp": tp, "fp": taken - tp, "fn": positives - tp, "tn": labels.size - taken - (positives - tp)}
    known = rates(counts)
    thresholds = np.append(np.inf, rounded[order][ends].astype(np.float64))
    if worth is not None:
        gained = np.where(labels, worth.hit - worth.miss, worth.false_alarm - worth.rest)[order]
        nobody = float(worth.of(labels, np.zeros(labels.size, np.bool_)).sum())
        known["profit"] = (nobody + np.append(0.0, np.cumsum(gained)[ends])) / labels.size
    place, held = _place(rule, known)
    return ThresholdChoice(float(thresholds[place]), held, _curve(thresholds, known))


def _place(rule: ThresholdRule, known: dict[str, Numbers]) -> tuple[int, bool]:
    """Which threshold, highest first, and whether the constraint holds there."""
    if isinstance(rule, CostThreshold):
        return int(np.argmax(known["profit"])), True
    values = known[rule.metric]
    if rule.metric == "recall":
        return int(np.argmax(values >= rule.bound)), True  # everybody reaches any recall
    with np.errstate(invalid="ignore"):
        holds = values >= rule.bound if rule.rising else values <= rule.bound
    return (int(np.flatnonzero(holds)[-1]), True) if holds.any() else (0, False)


def _curve(thresholds: Numbers, known: dict[str, Numbers]) -> dict[str, list[float | None]]:
    kept = np.unique(np.linspace(0, thresholds.size - 1, MAX_POINTS).astype(np.int64))
    columns = {"threshold": thresholds, **known}
    return {
        name: [float(value) if np.isfinite(value) else None for value in values[kept]]
        for name, values in columns.items()
    }
