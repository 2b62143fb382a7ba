"""The evaluation of a model on rows it has not seen: figures with intervals, baselines beside it, slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError, NotFoundError, did_you_mean
from headrace.evaluation.assessment import Assessment, EvaluationSettings, Replicates, assess
from headrace.evaluation.examined import Examined
from headrace.evaluation.figures import Figure
from headrace.evaluation.measures import higher_is_better
from headrace.evaluation.metrics import Scores
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.slices import Slicing, slice_by
from headrace.evaluation.task import Question, Task

BASE_RATE = "base_rate"


@dataclass(frozen=True)
class Sample:
    """Labelled rows with the predictions to judge.

    Attributes:
        labels: bool[n] of a binary model, int64[n] numbers of classes or grades, float64[n] numbers; no nulls.
        scores: float64[n], of K classes float64[n, K]: probabilities, numbers, or what orders rows.
        blocks: int64[n], ordered ids of what is drawn together, such as the day of each row.
        base_rate: what the training rows say without any feature, and the constant baseline predicts: the share of
            positives, the shares of K classes, the mean (or the quantile) of a number; of a ranking it is not used.
        groups: column -> [n], to slice by.
        baselines: name -> the predictions of naive rules, judged beside the model, of the same shape as the scores.
        question: what the model answers.
        queries: int64[n], the query of each row of a ranking.
    """

    labels: npt.NDArray[Any]
    scores: Scores
    blocks: npt.NDArray[np.int64]
    base_rate: float | npt.NDArray[np.float64]
    groups: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    baselines: Mapping[str, Scores] = field(default_factory=dict)
    question: Question = field(default_factory=Question)
    queries: npt.NDArray[np.int64] | None = None

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
        positives: of these, positive; None of a model that is not binary.
        model: the model's figures, curve and calibration.
        baselines: name -> baseline; `base_rate` is among them, except of a ranking.
        slicings: column -> its groups.
        settings: how the figures were made.
        metric: the metric that leads: of the headline, slices and comparisons.
        examined: what else was looked at, as far as it was.
    """

    rows: int
    positives: int | None
    model: Assessment
    baselines: Mapping[str, Baseline]
    slicings: Mapping[str, Slicing]
    settings: EvaluationSettings
    metric: str = "auc"
    examined: Examined = field(default_factory=Examined)

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
            "metric": self.metric,
            "model": self.model.to_json(),
            "baselines": {name: baseline.to_json() for name, baseline in self.baselines.items()},
            "slicings": {column: slicing.to_json() for column, slicing in self.slicings.items()},
            "settings": asdict(self.settings),
            **self.examined.to_json(),
        }


def evaluate(sample: Sample, settings: EvaluationSettings | None = None) -> Evaluation:
    """Judge a model.

    The result depends on the sample and the settings alone: not on threads, time or the order of dictionaries.
    Complexity: O(B n log n + R n) for n rows, B blocks and R replicates.
    """
    settings = settings or EvaluationSettings()
    resamples = Resamples.draw(sample.blocks, replicates=settings.replicates, seed=settings.seed)
    question, queries = sample.question, sample.queries
    model, replicates = assess(question, sample.labels, sample.scores, resamples, settings, queries)
    naive = {} if question.task is Task.RANKING else {BASE_RATE: np.broadcast_to(sample.base_rate, sample.scores.shape)}
    baselines = {}
    for name, scores in {**naive, **sample.baselines}.items():
        assessment, own = assess(question, sample.labels, np.asarray(scores), resamples, settings, queries)
        gained = {
            metric: Figure.of_replicates(
                direction(metric) * (model.figures[metric].value - assessment.figures[metric].value),
                draws,
                settings.confidence,
                blocks=resamples.n_blocks,
            )
            for metric, draws in improvements(replicates, own).items()
        }
        baselines[name] = Baseline(assessment, gained)
    return Evaluation(
        rows=sample.labels.size,
        positives=int(sample.labels.sum()) if question.task is Task.BINARY else None,
        model=model,
        baselines=baselines,
        slicings={column: slice_by(sample, groups, resamples, settings) for column, groups in sample.groups.items()},
        settings=settings,
        metric=question.leading,
    )


def direction(metric: str) -> float:
    """1 where more of a metric is better, -1 where less is, 0 where neither."""
    higher = higher_is_better(metric)
    return 0.0 if higher is None else 1.0 if higher else -1.0


def improvements(own: Replicates, rival: Replicates) -> dict[str, npt.NDArray[np.float64]]:
    """Metric -> float64[R], how much better the first is in each draw; metrics without a better side are left out."""
    return {name: direction(name) * (draws - rival[name]) for name, draws in own.items() if direction(name)}


def _check(sample: Sample) -> None:
    rows, task = sample.labels.shape, sample.question.task
    if len(rows) != 1 or rows[0] == 0:
        raise InvalidInputError(f"there is nothing to evaluate: labels have shape {rows}")
    wanted = {Task.BINARY: "bool", Task.REGRESSION: "float64"}.get(task, "int64")
    if sample.labels.dtype.name != wanted:
        raise InvalidInputError(f"labels must be {wanted}, not {sample.labels.dtype}", hint="drop rows without a label")
    of_row: dict[str, npt.NDArray[Any]] = {"blocks": sample.blocks}
    of_row |= {f"group '{name}'": values for name, values in sample.groups.items()}
    if task is Task.RANKING:
        of_row["queries"] = np.empty(0) if sample.queries is None else sample.queries
    outputs = (*rows, len(sample.question.classes)) if task is Task.MULTICLASS else rows
    predictions = {"scores": sample.scores} | dict(sample.baselines)
    for shape, arrays in ((rows, of_row), (outputs, predictions)):
        for name, values in arrays.items():
            if values.shape != shape:
                raise InvalidInputError(f"{name} has shape {values.shape}, labels have {rows}")
    for name, values in predictions.items():
        _check_predictions(name, values, task)


def _check_predictions(name: str, values: Scores, task: Task) -> None:
    if task in {Task.BINARY, Task.MULTICLASS}:
        if not ((values >= 0) & (values <= 1)).all():
            raise InvalidInputError(f"{name} must be probabilities in [0, 1], without NaN")
    elif np.isnan(values).any():
        raise InvalidInputError(f"{name} must be numbers, without NaN")
