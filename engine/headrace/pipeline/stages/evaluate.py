"""Stage five: figures with intervals on rows the model has not seen, and the gates' verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from headrace.evaluation import Sample, compare, gate_json
from headrace.evaluation.measures import higher_is_better
from headrace.evaluation.task import Task
from headrace.evaluation.thresholds import threshold_json
from headrace.pipeline.champion import champion_digest, champion_rival
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import load_dataset
from headrace.pipeline.judging import NAIVE, judge_model, test_rows
from headrace.pipeline.report.model import spelled
from headrace.pipeline.stage import StageOutcome
from headrace.pipeline.stages.train import FULL, REFIT, WITHOUT_WINDOWS
from headrace.pipeline.studying import study_data
from headrace.training.explaining import effects
from headrace.training.storage import load_trained

SCORE_BINS = 40


class EvaluateStage:
    """Judges both versions and what the window features are worth."""

    name: ClassVar[str] = "evaluate"
    after: ClassVar[tuple[str, ...]] = ("train",)
    code: ClassVar[tuple[str, ...]] = ("core", "evaluation")

    def inputs(self, context: RunContext) -> Any:
        """Gates, slices and the naive baseline's columns."""
        model = context.project.model
        return {
            "gates": [gate_json(gate) for gate in model.gates],
            "slices": list(model.slice_columns),
            "naive": list(model.naive_by),
            "sensitive": list(model.sensitive_columns),
            "threshold": threshold_json(model.threshold) if model.threshold is not None else None,
            "champion": champion_digest(context),
            "data_study": model.data_study,
        }

    def outputs(self, context: RunContext) -> list[Path]:  # noqa: ARG002  the protocol's signature
        """Nothing beside the record."""
        return []

    def run(self, context: RunContext) -> StageOutcome:
        """Evaluate; a failed gate is recorded here and stops the package stage."""
        model = context.project.model
        dataset = load_dataset(context)
        models = context.workspace.models
        with context.progress.step("evaluate", total=3) as step:
            step.note("first version")
            rivals = champion_rival(context, dataset)
            trained = load_trained(models / FULL)
            first = judge_model(dataset, model, model.split, trained, rivals=rivals)
            step.advance()
            step.note("without window features")
            ablated = load_trained(models / WITHOUT_WINDOWS)
            scores = ablated.predict(test_rows(dataset, dataset.masks(model.split), ablated.names))
            ablation = compare(first.sample, scores)
            step.advance()
            step.note("second version")
            second = judge_model(dataset, model, model.split, load_trained(models / REFIT), rivals=rivals, like=first)
            step.advance()
        metric = model.question.leading
        figure, without = first.evaluation.figure(metric), ablation.champion[metric]
        study = study_data(context, dataset, trained, first)
        naive = first.evaluation.baselines.get(NAIVE)
        return StageOutcome(
            headline=f"test {spelled(metric)} {figure} · without windows {without.value:.3f}",
            detail=f"{first.gates}" + (f" · naive {naive.assessment.figures[metric].value:.3f}" if naive else ""),
            facts={
                "metric": metric,
                "higher_is_better": bool(higher_is_better(metric)),
                "figure_test": figure.value,
                "figure_test_without_windows": without.value,
                "explanations": effects(trained, test_rows(dataset, dataset.masks(model.split), trained.names)),
                "data_study": study,
                "evaluation": first.evaluation.to_json(),
                "scores": _score_counts(first.sample),
                "gates": first.gates.to_json(),
                "ablation": ablation.to_json(),
                "refit": {"evaluation": second.evaluation.to_json(), "gates": second.gates.to_json()},
            },
        )


def _score_counts(sample: Sample) -> dict[str, list[int]]:
    """Rows by score in even bins from 0 to 1, of a binary model and of the naive rule."""
    if sample.question.task is not Task.BINARY:
        return {}
    scores = {"model": sample.scores, **sample.baselines}
    return {name: np.histogram(values, SCORE_BINS, (0.0, 1.0))[0].tolist() for name, values in scores.items()}
