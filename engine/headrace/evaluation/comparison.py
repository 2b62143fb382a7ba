"""Champion against challenger on the same rows: paired differences with intervals, and one word for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from headrace.evaluation.assessment import EvaluationSettings
from headrace.evaluation.decisions import flag
from headrace.evaluation.evaluation import Sample, evaluate
from headrace.evaluation.figures import Figure
from headrace.evaluation.metrics import Scores
from headrace.evaluation.paired.decided import DecisionContest, contest_decisions
from headrace.evaluation.paired.testing import PairedTest, choose_test


class Outcome(Enum):
    """How the challenger stands to the champion."""

    SUPERIOR = "superior"
    NON_INFERIOR = "non_inferior"
    INFERIOR = "inferior"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Comparison:
    """A challenger judged against a champion.

    Attributes:
        metric: the metric that decides.
        margin: how much worse still counts as not inferior.
        outcome: the word for it.
        challenger: the challenger's figures.
        champion: the champion's figures.
        improvement: metric -> challenger over champion, positive is better, paired.
        test: the test that decided, why this one, and its p-values.
        decisions: the two models' decisions at a threshold; None where none was given.
    """

    metric: str
    margin: float
    outcome: Outcome
    challenger: Mapping[str, Figure]
    champion: Mapping[str, Figure]
    improvement: Mapping[str, Figure]
    test: PairedTest
    decisions: DecisionContest | None = None

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "metric": self.metric,
            "margin": self.margin,
            "outcome": self.outcome.value,
            "challenger": {name: figure.to_json() for name, figure in self.challenger.items()},
            "champion": {name: figure.to_json() for name, figure in self.champion.items()},
            "improvement": {name: figure.to_json() for name, figure in self.improvement.items()},
            "test": self.test.to_json(),
            **({"decisions": self.decisions.to_json()} if self.decisions else {}),
        }


def compare(
    challenger: Sample,
    champion_scores: Scores,
    *,
    metric: str = "",
    margin: float = 0.005,
    settings: EvaluationSettings | None = None,
    threshold: float | None = None,
) -> Comparison:
    """Compare two models on the same labelled rows.

    Args:
        challenger: the rows with the challenger's scores.
        champion_scores: float64[n], the champion's scores of the same rows.
        metric: which metric decides; empty is the one that leads the question.
        margin: a challenger worse by less than this, at the low end of the interval, is not inferior.
        settings: replicates, confidence, seed.
        threshold: where both models act; their decisions are then compared too. Binary models only.

    Raises:
        InvalidInputError: shapes differ, or scores are no probabilities.
    """
    paired = Sample(
        labels=challenger.labels,
        scores=challenger.scores,
        blocks=challenger.blocks,
        base_rate=challenger.base_rate,
        baselines={"champion": champion_scores},
        question=challenger.question,
        queries=challenger.queries,
    )
    metric = metric or challenger.question.leading
    settings = settings or EvaluationSettings()
    evaluation = evaluate(paired, settings)
    rival = evaluation.baselines["champion"]
    test = choose_test(
        paired,
        champion_scores,
        metric,
        bootstrap=rival.improvement[metric],
        margin=margin,
        confidence=settings.confidence,
    )
    return Comparison(
        metric=metric,
        margin=margin,
        outcome=decide(test.improvement, margin),
        challenger=evaluation.model.figures,
        champion=rival.assessment.figures,
        improvement={**rival.improvement, metric: test.improvement},
        test=test,
        decisions=_decisions(paired, champion_scores, threshold, settings),
    )


def _decisions(
    challenger: Sample, champion: Scores, threshold: float | None, settings: EvaluationSettings
) -> DecisionContest | None:
    if threshold is None:
        return None
    flags = flag(challenger.scores, threshold), flag(champion, threshold)
    return contest_decisions(challenger.labels, *flags, challenger.blocks, settings)


def decide(improvement: Figure, margin: float) -> Outcome:
    """Read an outcome off a paired interval: above 0, above -margin, below 0, or none of these."""
    if improvement.low > 0:
        return Outcome.SUPERIOR
    if improvement.low > -margin:
        return Outcome.NON_INFERIOR
    if improvement.high < 0:
        return Outcome.INFERIOR
    return Outcome.INCONCLUSIVE
