"""The evaluation of a model on rows it has not seen: figures with intervals, baselines beside it, slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError, NotFoundError, did_you_mean
from headrace.evaluation.assessment import Assessment, EvaluationSettings, Replicates, assess
from headrace.evaluation.figures import Figure
from headrace.evaluation.metrics import HIGHER_IS_BETTER, Labels, Scores
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.slices import Slicing, slice_by

BASE_RATE = "base_rate"


@dataclass(frozen=True)
class Sample:
    """Labelled rows with the scores to judge.

    Attributes:
        labels: bool[n], no nulls.
        scores: float64[n], probabilities.
        blocks: int64[n], ordered ids of what is drawn together, such as the day of each row.
        base_rate: share of positives in the training rows; the constant baseline predicts it.
        groups: column -> [n], to slice by.
        baselines: name -> float64[n], probabilities of naive rules, judged beside the model.
    """

    labels: Labels
    scores: Scores
    blocks: npt.NDArray[np.int64]
    base_rate: float
    groups: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    baselines: Mapping[str, Scores] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class Baseline:
    """A naive rule judged on the same rows.

    Attributes:
        assessment: its figures.
        improvement: metric -> how much better the model is, paired; positive is better whatever the metric's direction.
    """

    assessment: Assessment
    improvement: Mapping[str, Figure]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        improvement = {name: figure.to_json() for name, figure in self.improvement.items()}
        return self.assessment.to_json() | {"improvement": improvement}


@dataclass(frozen=True)
class Evaluation:
    """What is known about a model's quality.

    Attributes:
        rows: rows judged.
        positives: of these, positive.
        model: the model's figures, curve and calibration.
        baselines: name -> baseline; `base_rate` is always among them.
        slicings: column -> its groups.
        settings: how the figures were made.
    """

    rows: int
    positives: int
    model: Assessment
    baselines: Mapping[str, Baseline]
    slicings: Mapping[str, Slicing]
    settings: EvaluationSettings

    def figure(self, metric: str) -> Figure:
        """The model's figure for a metric.

        Raises:
            NotFoundError: no such metric.
        """
        if metric not in self.model.figures:
            known = ", ".join(self.model.figures)
            raise NotFoundError(f"no metric '{metric}'; known: {known}", hint=did_you_mean(metric, self.model.figures))
        return self.model.figures[metric]

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "rows": self.rows,
            "positives": self.positives,
            "model": self.model.to_json(),
            "baselines": {name: baseline.to_json() for name, baseline in self.baselines.items()},
            "slicings": {column: slicing.to_json() for column, slicing in self.slicings.items()},
            "settings": asdict(self.settings),
        }


def evaluate(sample: Sample, settings: EvaluationSettings | None = None) -> Evaluation:
    """Judge a binary model.

    The result depends on the sample and the settings alone: not on threads, time or the order of dictionaries.
    Complexity: O(B n log n + R n) for n rows, B blocks and R replicates.
    """
    settings = settings or EvaluationSettings()
    resamples = Resamples.draw(sample.blocks, replicates=settings.replicates, seed=settings.seed)
    model, replicates = assess(sample.labels, sample.scores, resamples, settings)
    constant = np.full(sample.labels.size, sample.base_rate)
    baselines = {}
    for name, scores in {BASE_RATE: constant, **sample.baselines}.items():
        assessment, own = assess(sample.labels, scores, resamples, settings)
        baselines[name] = Baseline(assessment, _improvement(model, replicates, assessment, own, settings.confidence))
    return Evaluation(
        rows=sample.labels.size,
        positives=int(sample.labels.sum()),
        model=model,
        baselines=baselines,
        slicings={
            column: slice_by(sample.labels, sample.scores, groups, resamples, settings)
            for column, groups in sample.groups.items()
        },
        settings=settings,
    )


def _improvement(
    model: Assessment, replicates: Replicates, rival: Assessment, rival_replicates: Replicates, confidence: float
) -> dict[str, Figure]:
    improvement = {}
    for metric, own in replicates.items():
        sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
        value = sign * (model.figures[metric].value - rival.figures[metric].value)
        improvement[metric] = Figure.of_replicates(value, sign * (own - rival_replicates[metric]), confidence)
    return improvement


def _check(sample: Sample) -> None:
    rows = sample.labels.shape
    if len(rows) != 1 or rows[0] == 0:
        raise InvalidInputError(f"there is nothing to evaluate: labels have shape {rows}")
    if sample.labels.dtype != np.bool_:
        raise InvalidInputError(f"labels must be bool, not {sample.labels.dtype}", hint="drop rows without a label")
    others: dict[str, npt.NDArray[Any]] = {"scores": sample.scores, "blocks": sample.blocks}
    others |= {f"group '{name}'": values for name, values in sample.groups.items()}
    others |= {f"baseline '{name}'": values for name, values in sample.baselines.items()}
    for name, values in others.items():
        if values.shape != rows:
            raise InvalidInputError(f"{name} has shape {values.shape}, labels have {rows}")
    for name, values in {"scores": sample.scores, **sample.baselines}.items():
        if not ((values >= 0) & (values <= 1)).all():
            raise InvalidInputError(f"{name} must be probabilities in [0, 1], without NaN")
