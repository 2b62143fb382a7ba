"""Which test decides between two models, and what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.core.hashing import finite_or_none
from headrace.evaluation.figures import Figure
from headrace.evaluation.metrics import Scores
from headrace.evaluation.paired.delong import delong
from headrace.evaluation.slices import Judged
from headrace.evaluation.task import Task

FEW_BLOCKS = 12


@dataclass(frozen=True)
class PairedTest:
    """One comparison.

    Attributes:
        name: the test.
        why: why this one.
        improvement: how much better the challenger is, positive is better, with its interval.
        margin: how much worse still counts as not inferior.
    """

    name: str
    why: str
    improvement: Figure
    margin: float

    @property
    def p_superior(self) -> float:
        """One-sided p-value of "the challenger is not better"."""
        return self.improvement.p_at_most(0.0)

    @property
    def p_non_inferior(self) -> float:
        """One-sided p-value of "the challenger is worse by the margin or more"."""
        return self.improvement.p_at_most(-self.margin)

    @property
    def p_inferior(self) -> float:
        """One-sided p-value of "the challenger is not worse"."""
        return self.improvement.p_at_least(0.0)

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "name": self.name,
            "why": self.why,
            "improvement": self.improvement.to_json(),
            "margin": self.margin,
            "p_superior": finite_or_none(self.p_superior),
            "p_non_inferior": finite_or_none(self.p_non_inferior),
            "p_inferior": finite_or_none(self.p_inferior),
        }


def choose_test(
    challenger: Judged, champion: Scores, metric: str, *, bootstrap: Figure, margin: float, confidence: float
) -> PairedTest:
    """Choose the test for a metric and hold the two models against each other.

    Rows that share a block depend on each other, so the bootstrap over blocks is the rule. Where each row is a block of
    its own, the AUC is DeLong's: exact to the order of 1/n and without a seed.

    Args:
        challenger: the rows with the challenger's scores.
        champion: float64[n], the champion's scores of the same rows.
        metric: what decides.
        bootstrap: the improvement by block bootstrap.
        margin: how much worse still counts as not inferior.
        confidence: of the interval.
    """
    ids = np.unique(challenger.blocks).size
    if metric == "auc" and challenger.question.task is Task.BINARY and ids == challenger.labels.size:
        found = delong(challenger.labels, challenger.scores, champion, confidence=confidence)
        why = "each row is a block of its own, so rows are taken as independent"
        return PairedTest("DeLong", why, found.difference, margin)
    why = f"rows of one block depend on each other: {ids} blocks were drawn, the same ones for both models"
    if ids < FEW_BLOCKS or math.isnan(bootstrap.error):
        why += f"; fewer than {FEW_BLOCKS} blocks say little" if ids < FEW_BLOCKS else ""
    return PairedTest("paired block bootstrap", why, bootstrap, margin)
