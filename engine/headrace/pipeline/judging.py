"""A trained model held against rows it has not seen and against the project's gates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.evaluation import Evaluation, GateReport, GroupRates, Sample, evaluate, judge
from headrace.evaluation.task import Question, Task
from headrace.pipeline.dataset import Dataset
from headrace.pipeline.examining import Rivals, Subject, examine
from headrace.training import Model, SplitMasks, TimeSplit, TrainedModel

NAIVE = "naive"
UNCALIBRATED = "uncalibrated"


@dataclass(frozen=True)
class Judgement:
    """What the evaluation of one model found.

    Attributes:
        sample: the test rows with labels, scores, groups and naive scores.
        evaluation: figures with intervals.
        gates: the verdicts.
    """

    sample: Sample
    evaluation: Evaluation
    gates: GateReport


def judge_model(
    dataset: Dataset,
    model: Model,
    split: TimeSplit,
    trained: TrainedModel,
    *,
    rivals: Rivals | None = None,
    like: Judgement | None = None,
) -> Judgement:
    """Evaluate a model on the test part and hold it against the gates.

    Args:
        dataset: all rows.
        model: what was declared.
        split: the parts.
        trained: the model.
        rivals: who else is judged on the same rows.
        like: an earlier version of the same recipe, whose threshold is kept and whose weak slices and robustness are
            not looked for again.
    """
    masks = dataset.masks(split)
    rows = test_rows(dataset, masks, trained.names)
    sample = make_sample(dataset, model, masks, trained.predict(rows))
    others = (rivals or Rivals()).scores | uncalibrated(trained, rows)
    sample = replace(sample, baselines={**sample.baselines, **others})
    subject = Subject(dataset, model, masks, trained, rows, sample, rivals or Rivals())
    if like is not None:
        subject = replace(subject, threshold=like.evaluation.examined.threshold, thorough=False)
    evaluation = evaluate(sample)
    evaluation = replace(evaluation, examined=examine(subject, evaluation.settings))
    return Judgement(sample, evaluation, judge(model.gates, evaluation))


def make_sample(dataset: Dataset, model: Model, masks: SplitMasks, scores: npt.NDArray[np.float64]) -> Sample:
    """Test rows ready to judge, the naive baseline (historical rate by the declared columns) beside the scores."""
    test = masks.test
    known = masks.train | masks.valid
    naive = dataset.columns(model.naive_by).values()
    baselines = {}
    if model.naive_by and model.task in {Task.BINARY, Task.REGRESSION}:
        rates = GroupRates.fit(dataset.labels[known], *(column[known] for column in naive))
        baselines[NAIVE] = rates.predict(*(column[test] for column in naive))
    return Sample(
        labels=dataset.labels[test],
        scores=scores,
        blocks=dataset.days[test],
        base_rate=base_rate(model.question, dataset.labels[known]),
        groups={name: column[test] for name, column in dataset.columns(model.slice_columns).items()},
        baselines=baselines,
        question=model.question,
        queries=dataset.queries[test] if dataset.queries is not None else None,
    )


def uncalibrated(trained: TrainedModel, rows: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float64]]:
    """A calibrated model's scores before its curve, judged beside it: reliability before and after."""
    return {UNCALIBRATED: replace(trained, calibrator=None).predict(rows)} if trained.calibrator else {}


def base_rate(question: Question, labels: npt.NDArray[Any]) -> float | npt.NDArray[np.float64]:
    """What training labels suggest without any feature: their rate, the shares of classes, their mean or quantile."""
    if question.task is Task.MULTICLASS:
        return np.bincount(labels, minlength=len(question.classes)) / labels.size
    if question.quantile is not None:
        return float(np.quantile(labels, question.quantile))
    return float(labels.mean())


def test_rows(dataset: Dataset, masks: SplitMasks, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """The test part's features, in a model's order: float32[n_test, n_features]."""
    places = [dataset.matrix.names.index(name) for name in names]
    rows = np.asarray(dataset.matrix.values[masks.test])
    return rows if places == list(range(rows.shape[1])) else np.ascontiguousarray(rows[:, places])
