"""What else is asked of a judged model: decisions at its threshold, groups, weak slices, broken inputs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.progress import Progress, SilentProgress
from headrace.evaluation import EvaluationSettings, Examined, NonInferior, Robust, Sample
from headrace.evaluation.decisions import decide_at, flag
from headrace.evaluation.examined import Absence
from headrace.evaluation.fairness import judge_fairness
from headrace.evaluation.found_slices import find_slices
from headrace.evaluation.losses import row_losses, surprises
from headrace.evaluation.paired import SliceContest, contest_slices
from headrace.evaluation.perturbations import Inputs
from headrace.evaluation.resampling import Resamples
from headrace.evaluation.robustness import Robustness, examine_robustness
from headrace.evaluation.task import Task
from headrace.evaluation.thresholds import ThresholdChoice, choose_threshold, worth_of
from headrace.pipeline.dataset import Dataset
from headrace.pipeline.stale import stale_inputs
from headrace.training import Model, SplitMasks, TrainedModel

SLICED_FEATURES = 20  # the most important ones describe found slices, beside the declared columns
EVEN_ODDS = 0.5  # where decisions are asked for and no threshold is declared
ROBUST_METRICS = {Task.BINARY: "auc", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}


@dataclass(frozen=True)
class Rivals:
    """Who else is judged on the test rows.

    Attributes:
        scores: name -> float64[n_test].
        absent: name -> why there are none.
    """

    scores: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    absent: dict[str, Absence] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A model and the rows it is judged on.

    Attributes:
        dataset: all rows.
        model: what was declared.
        masks: the parts.
        trained: the model.
        rows: float32[n_test, F], the test part's features in the model's order.
        sample: the test part's labels, scores and blocks.
        rivals: who else is judged.
        threshold: a choice made before, on rows that no model was trained on; None: choose on the validation part.
        thorough: look for weak slices and break inputs even where no gate asks for it.
    """

    dataset: Dataset
    model: Model
    masks: SplitMasks
    trained: TrainedModel
    rows: npt.NDArray[np.float32]
    sample: Sample
    rivals: Rivals = field(default_factory=Rivals)
    threshold: ThresholdChoice | None = None
    thorough: bool = True


def examine(subject: Subject, settings: EvaluationSettings, progress: Progress | None = None) -> Examined:
    """Look at everything the model's task and declaration allow."""
    model = subject.model
    examined = Examined(contests=_contests(subject, settings), absent=subject.rivals.absent)
    if model.task is Task.BINARY and (model.threshold is not None or model.sensitive_columns):
        examined = _decisions(subject, settings, examined)
    if subject.thorough and model.task is not Task.RANKING:
        examined = _weak_slices(subject, examined)
    asked = any(isinstance(gate, Robust) for gate in model.gates)
    if (subject.thorough or asked) and model.task in ROBUST_METRICS:
        examined = replace(examined, robustness=_robustness(subject, progress or SilentProgress()))
    return examined


def _decisions(subject: Subject, settings: EvaluationSettings, examined: Examined) -> Examined:
    model, sample, dataset = subject.model, subject.sample, subject.dataset
    choice = subject.threshold or _choose(subject)
    resamples = Resamples.draw(sample.blocks, replicates=settings.replicates, seed=settings.seed)
    worth = None
    if model.threshold is not None:
        amounts = _amounts(subject)
        of_test = amounts[subject.masks.test] if amounts is not None else None
        worth = worth_of(model.threshold, sample.labels.size, of_test)
    decisions = decide_at(sample.labels, sample.scores, choice.threshold, resamples, settings.confidence, worth)
    flags = flag(sample.scores, choice.threshold)
    fairness = {
        name: judge_fairness(sample.labels, flags, column[subject.masks.test], resamples, settings)
        for name, column in dataset.columns(model.sensitive_columns).items()
    }
    return replace(examined, threshold=choice, rule=model.threshold, decisions=decisions, fairness=fairness)


def _choose(subject: Subject) -> ThresholdChoice:
    """Choose a threshold on the validation part."""
    model, valid = subject.model, subject.masks.valid
    if model.threshold is None:
        return ThresholdChoice(EVEN_ODDS, held=True, curve={})
    places = [subject.dataset.matrix.names.index(name) for name in subject.trained.names]
    rows = np.ascontiguousarray(np.asarray(subject.dataset.matrix.values[valid])[:, places])
    amounts = _amounts(subject)
    worth = worth_of(model.threshold, len(rows), amounts[valid] if amounts is not None else None)
    return choose_threshold(model.threshold, subject.dataset.labels[valid], subject.trained.predict(rows), worth)


def _amounts(subject: Subject) -> npt.NDArray[np.float64] | None:
    """What each row's outcomes are multiplied by; a missing amount counts nothing."""
    name = getattr(subject.model.threshold, "amount", "")
    if not name:
        return None
    return np.nan_to_num(subject.dataset.columns([name])[name].astype(np.float64))


def _contests(subject: Subject, settings: EvaluationSettings) -> dict[tuple[str, str], tuple[SliceContest, ...]]:
    found = {}
    for gate in subject.model.gates:
        if isinstance(gate, NonInferior) and gate.by and gate.to in subject.sample.baselines:
            groups = {column: subject.sample.groups[column] for column in gate.by}
            rival = subject.sample.baselines[gate.to]
            found[gate.to, gate.metric] = contest_slices(subject.sample, rival, groups, gate.metric, settings)
    return found


def _weak_slices(subject: Subject, examined: Examined) -> Examined:
    sample, columns = subject.sample, _described(subject)
    loss, losses = row_losses(sample.question, sample.labels, sample.scores)
    examined = replace(examined, found_slices=find_slices(losses, columns, sample.blocks, loss=loss))
    if subject.model.task is not Task.BINARY:
        return examined
    beyond = surprises(sample.labels, sample.scores)
    found = find_slices(beyond, columns, sample.blocks, loss="log loss beyond the model's own expectation")
    return replace(examined, overconfident_slices=found)


def _described(subject: Subject) -> dict[str, Any]:
    """What found slices may be described by: declared columns, then the most important features."""
    names = list(subject.trained.importance())[:SLICED_FEATURES]
    columns: dict[str, Any] = {name: subject.rows[:, subject.trained.names.index(name)] for name in names}
    return {
        **subject.sample.groups,
        **{name: values for name, values in columns.items() if name not in subject.sample.groups},
    }


def _robustness(subject: Subject, progress: Progress) -> Robustness:
    trained = subject.trained
    inputs = Inputs(
        values=subject.rows,
        names=trained.names,
        important=list(trained.importance()),
        stale=stale_inputs(subject.dataset, subject.masks, trained.names),
    )
    with progress.step("broken inputs") as step:
        return examine_robustness(
            trained.predict,
            inputs,
            subject.sample,
            ROBUST_METRICS[subject.model.task],
            on_each=lambda one: step.note(one.name),
        )
