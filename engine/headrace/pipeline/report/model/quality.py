"""What a report says about the model: quality on the test rows, features, training, gates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from headrace.pipeline.report.model.figures import Estimate, Histogram

_INITIALS = frozenset({"auc", "ece", "rmse", "mae", "r2", "mape", "ndcg", "map"})


def spelled(metric: str) -> str:
    """A metric's name as people read it: `auc` is AUC, `log_loss` is log loss, `ndcg@10` is NDCG@10."""
    if metric == "brier":
        return "Brier score"
    return metric.upper() if metric.partition("@")[0] in _INITIALS else metric.replace("_", " ")


@dataclass(frozen=True, slots=True)
class RocCurve:
    """Points of a receiver operating characteristic, both ascending from 0 to 1, equally long."""

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows of similar score: what was promised and what happened."""

    mean_score: float
    observed: Estimate
    rows: int


@dataclass(frozen=True, slots=True)
class Measure:
    """What a figure is: its metric's name, and whether more of it is better."""

    name: str = "auc"
    higher_is_better: bool = True

    @property
    def title(self) -> str:
        """The name as people read it: `AUC`, `log loss`."""
        return spelled(self.name)


@dataclass(frozen=True, slots=True)
class ScorerQuality:
    """One scorer (the model, or the naive baseline beside it) on the test rows.

    Attributes:
        figure: in the metric that the evaluation is led by.
        figures: every metric with its figure, that one among them, in the order to show.
        roc, calibration, scores: of a binary model.
    """

    name: str
    figure: Estimate
    figures: tuple[tuple[str, Estimate], ...] = ()
    roc: RocCurve | None = None
    calibration: tuple[CalibrationBin, ...] = ()
    scores: Histogram | None = None

    def other(self, metric: str) -> Estimate | None:
        """The figure in another metric; None where it was not measured."""
        return dict(self.figures).get(metric)


@dataclass(frozen=True, slots=True)
class SliceQuality:
    """The model on one group of test rows, e.g. carrier = "UA"."""

    column: str
    value: str
    rows: int
    figure: Estimate
    positive_share: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The test rows and every scorer judged on them.

    Attributes:
        split: how the rows were chosen, in words: "November and December 2013".
        positives: of a binary model.
        measure: what every `figure` is.
    """

    split: str
    rows: int
    positives: int | None
    model: ScorerQuality
    naive: ScorerQuality | None = None
    slices: tuple[SliceQuality, ...] = ()
    measure: Measure = field(default_factory=Measure)


@dataclass(frozen=True, slots=True)
class FeatureImportance:
    """One feature and its share of the total gain, 0 to 1; role is the plan's ("window", "state", ...)."""

    name: str
    gain_share: float
    role: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class AblationArm:
    """The same training with a set of features, judged on the same rows."""

    name: str
    figure: Estimate
    features: int


@dataclass(frozen=True, slots=True)
class Ablation:
    """What the window features are worth: the paired difference is how much better `full` is."""

    full: AblationArm
    without_windows: AblationArm
    difference: Estimate | None = None
    measure: Measure = field(default_factory=Measure)


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The metric after each boosting round, from round 1.

    Attributes:
        best_round: the round kept, counted from 1.
        stopped_early: whether training ended because the metric stopped improving.
    """

    metric: str
    valid: tuple[float, ...]
    best_round: int
    train: tuple[float, ...] = ()
    higher_is_better: bool = True
    stopped_early: bool = False


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate: the figure it judged, what it allows (in words) and why it decided so.

    Attributes:
        limit: the number the figure is held against, where there is one; `direction` says which side of it is allowed.
    """

    name: str
    passed: bool
    figure: Estimate
    allowed: str
    reason: str = ""
    limit: float | None = None
    direction: Literal["at_least", "at_most"] = "at_least"
