"""What a report says about releases, drift, quality in production and retraining."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from headrace.pipeline.report.model.figures import Estimate
from headrace.pipeline.report.model.quality import Measure


@dataclass(frozen=True, slots=True)
class ReleaseEvent:
    """One line of the ledger, and the state after it.

    Attributes:
        at: ISO 8601, UTC.
        event: the ledger's word: "adopt", "start", "set_share", "promote", "rollback", ...
        candidate_share: share of the traffic sent to the candidate, 0 to 1.
    """

    at: str
    event: str
    champion: int | None
    candidate: int | None = None
    candidate_share: float = 0.0
    actor: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CanaryShare:
    """How much of the traffic the candidate was to get, and got."""

    planned: float
    measured: Estimate
    requests: int


@dataclass(frozen=True, slots=True)
class Release:
    """The ledger of one model, oldest event first."""

    model: str
    events: tuple[ReleaseEvent, ...]
    canary: CanaryShare | None = None


@dataclass(frozen=True, slots=True)
class DriftPeriod:
    """One judged period of served rows.

    Attributes:
        label: for the axis: "4 Nov".
        injected: whether a change was put into this period on purpose.
    """

    label: str
    rows: int
    verdict: Literal["quiet", "drift", "insufficient"]
    injected: bool = False


@dataclass(frozen=True, slots=True)
class DriftSeries:
    """One feature over the periods: its strongest statistic divided by that statistic's threshold.

    Attributes:
        over_threshold: one value a period, above 1 is drift; None where not judged.
        importance: gain share of the feature, 0 to 1.
    """

    feature: str
    over_threshold: tuple[float | None, ...]
    importance: float = 0.0


@dataclass(frozen=True, slots=True)
class Drift:
    """Drift by period and feature.

    Attributes:
        series: the features worth showing, in display order.
        injected_feature / injected_change: what was changed on purpose; empty where nothing was.
        found: the feature named first in the injected period; None where nothing was found.
        false_alarms: clean periods judged as drift.
    """

    periods: tuple[DriftPeriod, ...]
    series: tuple[DriftSeries, ...]
    judged_features: int
    injected_feature: str = ""
    injected_change: str = ""
    found: str | None = None
    false_alarms: int = 0


@dataclass(frozen=True, slots=True)
class PerformancePeriod:
    """Quality once the labels arrived; `figure` is None where too few did."""

    label: str
    predictions: int
    labelled: int
    figure: Estimate | None


@dataclass(frozen=True, slots=True)
class Retraining:
    """What the retraining policy decided and what came of it.

    Attributes:
        outcome: "retrained", "skipped" or "rejected" (trained, but a gate stopped it).
        difference: how much better the candidate is, paired.
    """

    outcome: Literal["retrained", "skipped", "rejected"]
    trigger: str
    reason: str
    new_labels: int
    champion: str = ""
    champion_figure: Estimate | None = None
    candidate: str = ""
    candidate_figure: Estimate | None = None
    difference: Estimate | None = None
    gates_passed: int | None = None
    gates_total: int | None = None
    measure: Measure = field(default_factory=Measure)
