"""The report's parts about the model."""

from __future__ import annotations

import json
from typing import Any

from headrace.features import FeaturePlan
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import PLAN_FILE
from headrace.pipeline.judging import NAIVE
from headrace.pipeline.report.model import (
    Ablation,
    AblationArm,
    CalibrationBin,
    Estimate,
    Evaluation,
    FeatureImportance,
    GateResult,
    Histogram,
    LearningCurve,
    Measure,
    RocCurve,
    ScorerQuality,
    SliceQuality,
)

MAX_SLICES = 40


def estimate(figure: dict[str, Any]) -> Estimate:
    """A figure as the report has it; an undefined one shows as not a number."""
    value = figure["value"]
    return Estimate(float("nan") if value is None else value, figure["low"], figure["high"])


def evaluation(facts: dict[str, Any], model: str, split: str) -> Evaluation:
    """The model and the naive rule on the test rows."""
    judged, scores, metric = facts["evaluation"], facts["scores"], facts["metric"]
    naive = judged["baselines"].get(NAIVE)
    slices = [
        SliceQuality(column, one["group"], one["rows"], estimate(one["figures"][metric]), one["label_rate"])
        for column, slicing in judged["slicings"].items()
        for one in slicing["slices"]
    ]
    return Evaluation(
        split=split,
        rows=judged["rows"],
        positives=judged["positives"],
        model=_scorer(model, judged["model"], scores.get("model"), metric),
        naive=_scorer("the historical rate", naive, scores.get(NAIVE), metric) if naive else None,
        slices=tuple(slices[:MAX_SLICES]),
        measure=Measure(metric, facts["higher_is_better"]),
    )


def importance(trained: dict[str, Any], context: RunContext) -> tuple[FeatureImportance, ...]:
    """Every feature, largest gain first."""
    path = context.workspace.features / PLAN_FILE
    plan = FeaturePlan.from_json(json.loads(path.read_bytes()))
    specs = {spec.name: spec for spec in plan.features}
    return tuple(
        FeatureImportance(name, share, specs[name].role, specs[name].description)
        for name, share in sorted(trained["importance"].items(), key=lambda item: (-item[1], item[0]))
    )


def ablation(compared: dict[str, Any], facts: dict[str, Any]) -> Ablation:
    """What the window features are worth, paired."""
    metric = facts["evaluate"]["metric"]
    return Ablation(
        full=AblationArm("all features", estimate(compared["challenger"][metric]), facts["features"]["features"]),
        without_windows=AblationArm(
            "without windows", estimate(compared["champion"][metric]), facts["train"]["features_without_windows"]
        ),
        difference=estimate(compared["improvement"][metric]),
        measure=Measure(metric, facts["evaluate"]["higher_is_better"]),
    )


def learning_curve(trained: dict[str, Any]) -> LearningCurve:
    """The validation metric tree by tree."""
    return LearningCurve(
        metric=trained["metric"],
        valid=tuple(value for _, value in trained["curve"]),
        best_round=trained["trees"],
        higher_is_better=trained["higher_is_better"],
        stopped_early=trained["stopped_early"],
    )


def gates(judged: dict[str, Any]) -> tuple[GateResult, ...]:
    """The verdicts."""
    return tuple(
        GateResult(
            name=_gate_words(verdict["name"])[0],
            passed=verdict["passed"],
            figure=estimate(verdict["figure"]),
            allowed=_gate_words(verdict["name"])[1],
            reason=verdict["reason"],
            limit=verdict["bound"],
            direction="at_most" if "at most" in verdict["name"] else "at_least",
        )
        for verdict in judged["verdicts"]
    )


def _scorer(name: str, judged: dict[str, Any], scores: list[int] | None, metric: str) -> ScorerQuality:
    figures = {one: estimate(figure) for one, figure in judged["figures"].items()}
    roc, bins = judged["roc"], judged["calibration"]["bins"] if judged["calibration"] else []
    counts = scores or []
    return ScorerQuality(
        name=name,
        figure=figures[metric],
        figures=tuple(figures.items()),
        roc=RocCurve(tuple(roc["false_positive_rate"]), tuple(roc["true_positive_rate"])) if roc else None,
        calibration=tuple(CalibrationBin(one["mean_score"], estimate(one["rate"]), one["rows"]) for one in bins),
        scores=Histogram(tuple(place / len(counts) for place in range(len(counts) + 1)), tuple(counts))
        if counts
        else None,
    )


def _gate_words(name: str) -> tuple[str, str]:
    """A gate's name in two parts: what is judged, and what is allowed."""
    for word in (" at least ", " at most ", " better than "):
        what, found, bound = name.partition(word)
        if found:
            return what, f"{word.strip()} {bound}"
    return name, name
