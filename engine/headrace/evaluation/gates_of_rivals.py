"""Gates against a rival on the same rows: the champion, the naive rule, the base rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.core.errors import DefinitionError, NotFoundError, did_you_mean
from headrace.evaluation.evaluation import Evaluation
from headrace.evaluation.figures import Figure
from headrace.evaluation.gates import Verdict, check_bound
from headrace.evaluation.measures import HIGHER_IS_BETTER
from headrace.evaluation.paired.slices import SliceContest

CHAMPION = "champion"
_METRICS = [name for name in HIGHER_IS_BETTER if name != "ece"]


@dataclass(frozen=True)
class NonInferior:
    """The model is not worse than a rival by the margin or more, shown by the paired interval; in no group is it worse.

    Over all rows what is tested is the requirement: the low end of the paired improvement must lie above -margin. In
    the groups of `by` it is the breach: a group fails the gate where the model is significantly worse there (Holm over
    all groups, so that the chance of failing a model that is nowhere worse is at most alpha) and the interval does not
    say that the loss is within the margin.

    Attributes:
        to: the rival; `champion` is the registered one. Where none is registered yet the gate passes.
        metric: what is compared.
        margin: how much worse still counts as not inferior.
        by: columns whose groups are compared too.
        alpha: of the groups' tests.
    """

    to: str = CHAMPION
    metric: str = "auc"
    margin: float = 0.005
    by: Sequence[str] = ()
    alpha: float = 0.05

    def __post_init__(self) -> None:
        check_bound(self.metric, _METRICS, self.margin)
        if self.margin <= 0:
            raise DefinitionError(f"the margin of non-inferiority must be above 0, not {self.margin}")
        if isinstance(self.by, str):
            object.__setattr__(self, "by", (self.by,))

    @property
    def name(self) -> str:
        """The gate in words."""
        groups = f", nor in a group of {' or '.join(self.by)}" if self.by else ""
        return f"{self.metric} not below {self.to} by {self.margin:g}{groups}"

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement.

        Raises:
            NotFoundError: the rival was not judged.
        """
        figure = _improvement(evaluation, self.to, self.metric, self.name)
        if isinstance(figure, Verdict):
            return figure
        overall = figure.low > -self.margin
        reason = f"{self.metric} is better by {figure}; the low end must lie above {-self.margin:g}"
        lost = self._lost(evaluation)
        if lost:
            reason += "; worse in " + ", ".join(f"{one.column} {one.group} ({one.improvement})" for one in lost)
        elif self.by:
            reason += f"; in none of {len(self._groups(evaluation))} groups significantly worse (Holm)"
        return Verdict(self.name, passed=overall and not lost, figure=figure, bound=-self.margin, reason=reason)

    def _groups(self, evaluation: Evaluation) -> list[SliceContest]:
        known = evaluation.examined.contests.get((self.to, self.metric), ())
        return [one for one in known if one.column in self.by]

    def _lost(self, evaluation: Evaluation) -> list[SliceContest]:
        return [one for one in self._groups(evaluation) if one.inferior(self.alpha, self.margin)]


@dataclass(frozen=True)
class Superior:
    """The model is better than a rival by more than `by`, shown by the low end of the paired interval.

    Attributes:
        to: the rival; where no champion is registered yet the gate passes.
        metric: what is compared.
        by: how much better it must be.
    """

    to: str = CHAMPION
    metric: str = "auc"
    by: float = 0.0

    def __post_init__(self) -> None:
        check_bound(self.metric, _METRICS, self.by)

    @property
    def name(self) -> str:
        """The gate in words."""
        return f"{self.metric} better than {self.to}" + (f" by {self.by:g}" if self.by else "")

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement.

        Raises:
            NotFoundError: the rival was not judged.
        """
        figure = _improvement(evaluation, self.to, self.metric, self.name)
        if isinstance(figure, Verdict):
            return figure
        reason = f"{self.metric} is better by {figure}; the low end must exceed {self.by:g}"
        return Verdict(self.name, passed=figure.low > self.by, figure=figure, bound=self.by, reason=reason)


def _improvement(evaluation: Evaluation, to: str, metric: str, gate: str) -> Figure | Verdict:
    """The paired improvement, or the verdict where there is no rival to be compared with."""
    if to in evaluation.baselines:
        return evaluation.baselines[to].improvement[metric]
    absence = evaluation.examined.absent.get(to)
    if absence is None:
        known = ", ".join(evaluation.baselines)
        raise NotFoundError(
            f"gate '{gate}': no rival '{to}'; known: {known}", hint=did_you_mean(to, evaluation.baselines)
        )
    nothing = Figure(math.nan, math.nan, math.nan)
    return Verdict(gate, passed=absence.harmless, figure=nothing, bound=0.0, reason=absence.reason)
