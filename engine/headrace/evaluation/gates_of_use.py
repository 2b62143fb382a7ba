"""Gates on how a model will be used: its decisions, its probabilities, its inputs when they go wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.core.errors import DefinitionError, NotFoundError
from headrace.evaluation.decisions import DECISION_METRICS
from headrace.evaluation.evaluation import Evaluation
from headrace.evaluation.figures import Figure
from headrace.evaluation.gates import Verdict, check_bound
from headrace.evaluation.paired.corrections import adjusted_p_values

KINDS = ("nulls", "outliers", "dropped", "noise", "delay")
NOTHING = Figure(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class AtThreshold:
    """A figure of the decisions at the model's threshold keeps a bound at the far end of its interval.

    Attributes:
        metric: `precision`, `recall`, `false_positive_rate`, `accuracy`, `f1`, `selection_rate`, or `profit` a row.
        at_least: the bound from below.
        at_most: the bound from above; exactly one of the two is given.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.at_least, self.at_most) if bound is not None]
        if len(bounds) != 1:
            raise DefinitionError(f"a gate on {self.metric} at the threshold needs at_least or at_most, one of them")
        check_bound(self.metric, list(DECISION_METRICS), bounds[0])

    @property
    def name(self) -> str:
        """The gate in words."""
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        return f"{self.metric} at the threshold {bound}"

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement.

        Raises:
            NotFoundError: the model has no threshold, or its rule does not say what outcomes are worth.
        """
        decisions = evaluation.examined.decisions
        if decisions is None or self.metric not in decisions.figures:
            raise NotFoundError(
                f"gate '{self.name}': {self.metric} at a threshold was not judged",
                hint="declare hr.Model(threshold=...); profit needs hr.CostThreshold",
            )
        figure = decisions.figures[self.metric]
        if self.at_least is not None:
            passed, bound, end = figure.low >= self.at_least, self.at_least, "low end must reach"
        else:
            assert self.at_most is not None
            passed, bound, end = figure.high <= self.at_most, self.at_most, "high end must stay within"
        reason = f"{self.metric} at {decisions.threshold:.4g} is {figure}; the {end} {bound:g}"
        return Verdict(self.name, passed=passed, figure=figure, bound=bound, reason=reason)


@dataclass(frozen=True)
class Calibrated:
    """No bin of the reliability curve is significantly off by more than `within`.

    What is tested is the breach: a model whose every bin is within the bound fails with a chance of at most `alpha`
    (Holm over the bins). `AtMost("ece", ...)` demands the average to be shown instead.

    Attributes:
        within: how far the rate of a bin may lie from what the model said.
        alpha: chance of failing a model that keeps the bound.
    """

    within: float = 0.05
    alpha: float = 0.05

    def __post_init__(self) -> None:
        check_bound("ece", ["ece"], self.within)

    @property
    def name(self) -> str:
        """The gate in words."""
        return f"reliability in each bin off by at most {self.within:g}"

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement.

        Raises:
            NotFoundError: the model gives no probabilities of one event.
        """
        curve = evaluation.model.calibration
        if curve is None:
            raise NotFoundError(f"gate '{self.name}': the model has no reliability curve")
        p_values = []
        for one in curve.bins:
            above = one.rate.p_at_most(one.mean_score + self.within)
            below = one.rate.p_at_least(one.mean_score - self.within)
            p_values.append(min(1.0, 2 * min(above, below)))  # either side may be broken
        adjusted = adjusted_p_values(p_values)
        known = [place for place, value in enumerate(adjusted) if not math.isnan(value)]
        if not known:
            return Verdict(self.name, False, NOTHING, self.within, "no bin has an interval")
        worst = min(known, key=lambda place: (adjusted[place], -abs(curve.bins[place].rate.value)))
        bins, broken = curve.bins[worst], sum(adjusted[place] <= self.alpha for place in known)
        said, rate = bins.mean_score, bins.rate
        off = Figure(rate.value - said, rate.low - said, rate.high - said, rate.error, rate.blocks)
        reason = (
            f"{broken} of {len(known)} bins significantly off by more than {self.within:g} (Holm); "
            f"where the model says {said:.3f} the rate is {rate}, p {adjusted[worst]:.3g}"
        )
        return Verdict(self.name, passed=not broken, figure=off, bound=self.within, reason=reason)


@dataclass(frozen=True)
class Robust:
    """Broken inputs cost at most so much of the metric, shown for each kind by the high end of the paired drop.

    Every perturbation must keep the bound, so no correction is due: a model that loses more to any of them passes with
    the chance of that one interval missing it.

    Attributes:
        at_most: how much of the metric may be lost.
        against: kinds of perturbations: `nulls`, `outliers`, `dropped`, `noise`, `delay`.
    """

    at_most: float
    against: Sequence[str] = ("nulls", "outliers", "noise")

    def __post_init__(self) -> None:
        check_bound("ece", ["ece"], self.at_most)
        unknown = [kind for kind in self.against if kind not in KINDS]
        if unknown or not self.against:
            raise DefinitionError(
                f"a model is robust against {', '.join(KINDS)}; not {', '.join(unknown) or 'nothing'}"
            )

    @property
    def name(self) -> str:
        """The gate in words."""
        return f"loss to {', '.join(self.against)} at most {self.at_most:g}"

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement.

        Raises:
            NotFoundError: robustness was not examined, or nothing of these kinds.
        """
        found = evaluation.examined.robustness
        damages = [one for one in found.damages if one.kind in self.against] if found else []
        if not damages:
            raise NotFoundError(f"gate '{self.name}': no such perturbation was tried")
        worst = max(damages, key=lambda one: math.inf if math.isnan(one.drop.high) else one.drop.high)
        passed = worst.drop.high <= self.at_most
        reason = f"{worst.name}: {found.metric if found else ''} drops by {worst.drop}; the high end must stay within "
        return Verdict(self.name, passed, worst.drop, self.at_most, reason + f"{self.at_most:g}")
