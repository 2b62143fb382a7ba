"""Gates on groups: a floor that no group may fall through, and decisions that fall on all groups alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headrace.core.errors import NotFoundError, did_you_mean
from headrace.evaluation.evaluation import Evaluation
from headrace.evaluation.fairness import FAIRNESS_METRICS, FOUR_FIFTHS
from headrace.evaluation.figures import Figure
from headrace.evaluation.gates import Verdict, check_bound
from headrace.evaluation.measures import higher_is_better
from headrace.evaluation.paired.corrections import adjusted_p_values
from headrace.evaluation.slices import SLICE_METRICS

NOTHING = Figure(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class SliceFloor:
    """No group is significantly worse than the bound: a floor, or a ceiling where less of the metric is better.

    What is tested is the breach: a model whose every group keeps the bound fails with a chance of at most `alpha`,
    however many groups there are (Holm). A group's point value may lie beyond the bound without failing the gate, where
    it has too few rows to say so. A gate that demands proof of each group is `AtLeast` on a model of that group alone.

    Attributes:
        metric: what is judged.
        by: the column whose groups are judged.
        bound: the worst that is allowed.
        alpha: chance of failing a model that keeps the bound.
    """

    metric: str
    by: str
    bound: float
    alpha: float = 0.05

    def __post_init__(self) -> None:
        check_bound(self.metric, SLICE_METRICS, self.bound)
        check_bound(self.metric, SLICE_METRICS, self.alpha)

    @property
    def name(self) -> str:
        """The gate in words."""
        side = "at least" if higher_is_better(self.metric) else "at most"
        return f"{self.metric} in each group of {self.by} {side} {self.bound:g}"

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement.

        Raises:
            NotFoundError: the evaluation has no slices by that column.
        """
        if self.by not in evaluation.slicings:
            raise _no_column(self.name, self.by, list(evaluation.slicings))
        slices = evaluation.slicings[self.by].slices
        if not slices:
            reason = f"no group of {self.by} has {evaluation.settings.min_slice_rows} rows and both labels"
            return Verdict(self.name, passed=False, figure=NOTHING, bound=self.bound, reason=reason)
        higher = bool(higher_is_better(self.metric))
        figures = [one.figures[self.metric] for one in slices]
        beyond = [one.p_at_least(self.bound) if higher else one.p_at_most(self.bound) for one in figures]
        adjusted = adjusted_p_values(beyond)
        known = [place for place, value in enumerate(adjusted) if not math.isnan(value)]
        if not known:
            reason = f"no group of {self.by} has an interval"
            return Verdict(self.name, passed=False, figure=NOTHING, bound=self.bound, reason=reason)
        worst = min(known, key=lambda place: (adjusted[place], beyond[place]))
        broken = [slices[place].group for place in known if adjusted[place] <= self.alpha]
        reason = (
            f"{', '.join(broken)}: significantly beyond {self.bound:g} (Holm over {len(known)} groups); "
            if broken
            else f"none of {len(known)} groups is significantly beyond {self.bound:g} (Holm); "
        ) + f"nearest to it is {slices[worst].group}: {figures[worst]}, p {adjusted[worst]:.3g}"
        return Verdict(self.name, passed=not broken, figure=figures[worst], bound=self.bound, reason=reason)


@dataclass(frozen=True)
class Fair:
    """Decisions fall on the groups of a sensitive column alike, shown by the interval of the widest ratio.

    What is tested is the requirement itself: the low end of the interval of the lowest over the highest group's rate
    must reach `ratio_at_least`. Where fewer than two groups have enough rows the gate fails: nothing can be shown.

    Attributes:
        by: the sensitive column.
        metric: `selection_rate`, `true_positive_rate`, `false_positive_rate` or `precision`.
        ratio_at_least: lowest over highest; 0.8 is the four-fifths rule.
    """

    by: str
    metric: str = "selection_rate"
    ratio_at_least: float = FOUR_FIFTHS

    def __post_init__(self) -> None:
        check_bound(self.metric, list(FAIRNESS_METRICS), self.ratio_at_least)

    @property
    def name(self) -> str:
        """The gate in words."""
        return f"{self.metric} ratio by {self.by} at least {self.ratio_at_least:g}"

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement.

        Raises:
            NotFoundError: fairness by that column was not examined.
        """
        if self.by not in evaluation.examined.fairness:
            raise _no_column(self.name, self.by, list(evaluation.examined.fairness))
        found = evaluation.examined.fairness[self.by]
        disparity = found.disparities.get(self.metric)
        if disparity is None:
            few = f" ({', '.join(found.insufficient)}: too few rows)" if found.insufficient else ""
            reason = f"fewer than two groups of {self.by} have a {self.metric}{few}"
            return Verdict(self.name, passed=False, figure=NOTHING, bound=self.ratio_at_least, reason=reason)
        passed = disparity.ratio.low >= self.ratio_at_least
        reason = (
            f"{self.metric} of {disparity.lowest} over {disparity.highest} is {disparity.ratio}; "
            f"the low end must reach {self.ratio_at_least:g}"
        )
        return Verdict(self.name, passed=passed, figure=disparity.ratio, bound=self.ratio_at_least, reason=reason)


def _no_column(gate: str, by: str, known: list[str]) -> NotFoundError:
    return NotFoundError(
        f"gate '{gate}': groups of '{by}' were not judged; judged: {', '.join(known) or 'none'}",
        hint=did_you_mean(by, known),
    )
