"""Tune a project's model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from headrace.core.config import load_settings
from headrace.core.errors import DefinitionError
from headrace.core.files import write_atomic
from headrace.core.hashing import digest_bytes, digest_json
from headrace.core.progress import Progress
from headrace.evaluation import Comparison, compare
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import Dataset, load_dataset
from headrace.pipeline.judging import make_sample, test_rows
from headrace.pipeline.project import load_project
from headrace.pipeline.runner import StageReport, run_stages
from headrace.pipeline.stages import FeaturesStage, IngestStage, ValidateStage
from headrace.pipeline.tuning.measuring import CompiledMeasure, sample_rows, smallest_forest
from headrace.pipeline.tuning.recording import TuningDiary, recorded_tuning
from headrace.pipeline.tuning.report import TuningReport
from headrace.pipeline.workspace import Workspace
from headrace.training import SplitMasks, TrainingData
from headrace.training.tuning import Tuning, TuningJob, TuningResult, model_of, tune, write_tuned


@dataclass(frozen=True)
class TuneOptions:
    """What the command line asks for beside the project.

    Attributes:
        overrides: fields of the project's `Tuning` that are given anew.
        fresh: forget earlier trials of this model first.
        on_stage: told each finished or skipped stage.
    """

    overrides: Mapping[str, Any]
    fresh: bool = False
    on_stage: Callable[[StageReport], None] = lambda _report: None


def tune_project(path: Path, home: Path, options: TuneOptions, *, progress: Progress) -> TuningReport:
    """Run the stages up to the features, then trials, then judge the winner on the test part.

    The winner's parameters are written to `tuned/MODEL.json` in the project's folder.

    Raises:
        HeadraceError: what the project or a stage says.
        FailedCheckError: no trial met the target; the trials are kept.
    """
    project, folder = load_project(path)
    settings = load_settings(home=home)
    workspace = Workspace.of(settings)
    context = RunContext(project, folder, workspace, settings, progress)
    write_atomic(workspace.project_file, json.dumps({"project": str(folder), "as_typed": str(path)}).encode())
    tuning = replace(project.tuning, **options.overrides)
    with recorded_tuning(context) as diary:
        run_stages([IngestStage(), ValidateStage(), FeaturesStage()], context, on_end=options.on_stage)
        dataset = load_dataset(context)
        job = _job(context, dataset, tuning, diary)
        result = tune(job, progress=progress, fresh=options.fresh)
        report = TuningReport(project.name, project.model.name, result)
        if not (result.interrupted or not result.ranked or result.refused):
            report = _judge(context, dataset, job, report)
        diary.ended(report)
    return report


def _judge(context: RunContext, dataset: Dataset, job: TuningJob, report: TuningReport) -> TuningReport:
    """Hold the winner against the untuned model on the test part, and freeze its parameters."""
    with context.progress.step("compare with the untuned model") as step:
        step.note("test part")
        comparison = _compare(context, dataset, job, report.result)
    test = dataset.masks(context.project.model.split).test
    report = replace(report, comparison=comparison, test=(int(test.sum()), int(np.unique(dataset.days[test]).size)))
    return replace(report, frozen=_freeze(context.folder / "tuned" / f"{report.model}.json", report))


def _job(context: RunContext, dataset: Dataset, tuning: Tuning, diary: TuningDiary) -> TuningJob:
    model = context.project.model
    data = dataset.training_data(model.split)
    settings = model.settings(threads=context.settings.threads)
    masks: Sequence[SplitMasks] = ()
    if model.folds is not None:
        masks = model.folds.masks(dataset.times, end_us=model.split.valid_end_us, purge=model.split.purge)
    return TuningJob(
        data=data,
        settings=settings,
        tuning=tuning,
        folder=context.workspace.home / "tuning" / model.name,
        identity=_identity(context, data),
        folds=[split.within(dataset.labelled) for split in masks],
        measure=CompiledMeasure(sample_rows(data), smallest_forest(data, settings)),
        on_trial=diary.trial_ended,
    )


def _identity(context: RunContext, data: TrainingData) -> str:
    """Digest of the matrix, the labels and the split: values of trials on other rows are not comparable."""
    arrays = [data.labels, data.split.train, data.split.valid]
    arrays += [part for part in (data.weights, data.groups) if part is not None]
    return digest_json(
        [context.records["features"].facts["matrix_digest"], *(digest_bytes(part.tobytes()) for part in arrays)]
    )


def _compare(context: RunContext, dataset: Dataset, job: TuningJob, result: TuningResult) -> Comparison:
    """The winner against the untuned model on the test part.

    Raises:
        DefinitionError: the watched metric is not one that the evaluation compares by.
    """
    model = context.project.model
    masks = dataset.masks(model.split)
    rows = test_rows(dataset, masks, job.data.names)
    winner = model_of(job, result.winner.params)
    untuned = model_of(job, job.settings.params)
    sample = make_sample(dataset, model, masks, winner.predict(rows))
    try:
        return compare(replace(sample, groups={}, baselines={}), untuned.predict(rows), metric=result.metric)
    except KeyError:
        raise DefinitionError(
            f"the evaluation does not compare models by '{result.metric}', which the trials were chosen by"
        ) from None


def _freeze(path: Path, report: TuningReport) -> Path:
    result, winner = report.result, report.result.winner
    measured = result.confirmed.get(winner.number) or winner.measured
    figures = report.comparison.to_json() if report.comparison else {}
    facts = {
        "study": result.study,
        "trials": len(result.trials),
        "trial": winner.number,
        "metric": result.metric,
        "valid": winner.value,
        "valid_untuned": result.untuned.value if result.untuned else None,
        "trees": winner.trees,
        "targets": result.targets.to_json(),
        "measured": measured.to_json() if measured else None,
        "test": {name: figures[name].get(result.metric) for name in ("challenger", "champion", "improvement")},
        "verdict": report.verdict,
    }
    write_tuned(path, winner.params, facts)
    return path
