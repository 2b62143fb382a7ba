"""Gates: what a model must show before it is packaged. An interval passes a gate, a point value never does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from headrace.core.errors import DefinitionError, FailedCheckError, NotFoundError, did_you_mean
from headrace.evaluation.evaluation import BASE_RATE, Evaluation
from headrace.evaluation.figures import Figure
from headrace.evaluation.measures import HIGHER_IS_BETTER
from headrace.evaluation.slices import SLICE_METRICS


@dataclass(frozen=True)
class Verdict:
    """A gate's answer.

    Attributes:
        name: the gate in words, such as `auc at least 0.7`.
        passed: whether the whole interval is on the right side of the bound.
        figure: what was judged.
        bound: against what.
        reason: one sentence for people.
    """

    name: str
    passed: bool
    figure: Figure
    bound: float
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "name": self.name,
            "passed": self.passed,
            "figure": self.figure.to_json(),
            "bound": self.bound,
            "reason": self.reason,
        }


class Gate(Protocol):
    """A requirement on an evaluation; pure."""

    @property
    def name(self) -> str:
        """The gate in words."""
        ...

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement."""
        ...


@dataclass(frozen=True)
class AtLeast:
    """The lower end of the metric's interval reaches the bound."""

    metric: str
    bound: float

    def __post_init__(self) -> None:
        check_bound(self.metric, HIGHER_IS_BETTER, self.bound)

    @property
    def name(self) -> str:
        """The gate in words."""
        return f"{self.metric} at least {self.bound:g}"

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement."""
        return _from_below(self.name, self.metric, evaluation.figure(self.metric), self.bound)


@dataclass(frozen=True)
class AtMost:
    """The upper end of the metric's interval stays within the bound."""

    metric: str
    bound: float

    def __post_init__(self) -> None:
        check_bound(self.metric, HIGHER_IS_BETTER, self.bound)

    @property
    def name(self) -> str:
        """The gate in words."""
        return f"{self.metric} at most {self.bound:g}"

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement."""
        return _from_above(self.name, self.metric, evaluation.figure(self.metric), self.bound)


@dataclass(frozen=True)
class MaxGap:
    """The upper end of the interval of the widest gap between two groups stays within `gap`.

    Groups below the evaluation's smallest slice are not judged. Where fewer than two remain, the gate fails: it cannot
    be shown that the groups are treated alike.
    """

    metric: str
    by: str
    gap: float

    def __post_init__(self) -> None:
        check_bound(self.metric, SLICE_METRICS, self.gap)

    @property
    def name(self) -> str:
        """The gate in words."""
        return f"{self.metric} gap by {self.by} at most {self.gap:g}"

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement.

        Raises:
            NotFoundError: the evaluation has no slices by that column.
        """
        if self.by not in evaluation.slicings:
            known = ", ".join(evaluation.slicings) or "none"
            raise NotFoundError(
                f"gate '{self.name}': the evaluation is not sliced by '{self.by}'; it is by: {known}",
                hint=did_you_mean(self.by, evaluation.slicings),
            )
        gap = evaluation.slicings[self.by].gaps.get(self.metric)
        if gap is None:
            nothing = Figure(math.nan, math.nan, math.nan)
            reason = (
                f"fewer than two groups of {self.by} have {evaluation.settings.min_slice_rows} rows and both labels"
            )
            return Verdict(self.name, passed=False, figure=nothing, bound=self.gap, reason=reason)
        return _from_above(self.name, f"{self.metric} of {gap.highest} over {gap.lowest}", gap.figure, self.gap)


@dataclass(frozen=True)
class Improves:
    """The model is better than a baseline by more than `by`, at the lower end of the paired interval."""

    over: str = BASE_RATE
    metric: str = "log_loss"
    by: float = 0.0

    def __post_init__(self) -> None:
        check_bound(self.metric, [name for name in HIGHER_IS_BETTER if name != "ece"], self.by)

    @property
    def name(self) -> str:
        """The gate in words."""
        return f"{self.metric} better than {self.over}" + (f" by {self.by:g}" if self.by else "")

    def judge(self, evaluation: Evaluation) -> Verdict:
        """Hold the evaluation against the requirement.

        Raises:
            NotFoundError: the evaluation has no such baseline.
        """
        if self.over not in evaluation.baselines:
            known = ", ".join(evaluation.baselines)
            raise NotFoundError(
                f"gate '{self.name}': no baseline '{self.over}'; known: {known}",
                hint=did_you_mean(self.over, evaluation.baselines),
            )
        figure = evaluation.baselines[self.over].improvement[self.metric]
        passed = figure.low > self.by
        reason = f"{self.metric} is better by {figure}; the low end must exceed {self.by:g}"
        return Verdict(self.name, passed=passed, figure=figure, bound=self.by, reason=reason)


@dataclass(frozen=True)
class GateReport:
    """The verdicts of all gates."""

    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return all(verdict.passed for verdict in self.verdicts)

    def __str__(self) -> str:
        return f"{sum(verdict.passed for verdict in self.verdicts)} of {len(self.verdicts)} gates passed"

    def require(self) -> None:
        """Stop where a gate failed.

        Raises:
            FailedCheckError: names every failed gate with its figure.
        """
        failed = [verdict for verdict in self.verdicts if not verdict.passed]
        if failed:
            raise FailedCheckError(
                f"{self}: " + "; ".join(f"'{verdict.name}' failed: {verdict.reason}" for verdict in failed),
                hint="improve the model, or change the gate in the project file where it asks for too much",
            )

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"passed": self.passed, "verdicts": [verdict.to_json() for verdict in self.verdicts]}


def judge(gates: Sequence[Gate], evaluation: Evaluation) -> GateReport:
    """Hold an evaluation against every gate, in order."""
    return GateReport(tuple(gate.judge(evaluation) for gate in gates))


def gate_json(gate: Any) -> dict[str, Any]:
    """Encode a gate's definition as JSON data, for lineage and input digests."""
    return {"gate": type(gate).__name__} | asdict(gate)


def _from_below(name: str, what: str, figure: Figure, bound: float) -> Verdict:
    reason = f"{what} is {figure}; the low end must reach {bound:g}"
    return Verdict(name, passed=figure.low >= bound, figure=figure, bound=bound, reason=reason)


def _from_above(name: str, what: str, figure: Figure, bound: float) -> Verdict:
    reason = f"{what} is {figure}; the high end must stay within {bound:g}"
    return Verdict(name, passed=figure.high <= bound, figure=figure, bound=bound, reason=reason)


def check_bound(metric: str, known: Sequence[str] | dict[str, bool], bound: float) -> None:
    """Refuse a gate on a metric that is not known, or with a bound that is no number.

    Raises:
        DefinitionError: it is.
    """
    base, _, at = metric.partition("@")
    if (f"{base}@k" if at.isdigit() else metric) not in known or at == "k":
        raise DefinitionError(
            f"no metric '{metric}' for this gate; known: {', '.join(known)}", hint=did_you_mean(metric, known)
        )
    if not math.isfinite(bound):
        raise DefinitionError(f"the bound of a gate on '{metric}' must be a finite number, not {bound}")
