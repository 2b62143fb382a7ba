"""The whole report as data, and its parts about the run itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from headrace.core.errors import InvalidInputError
from headrace.pipeline.report.model.data import DataProfile, ValidationCheck
from headrace.pipeline.report.model.figures import Fact
from headrace.pipeline.report.model.operations import Drift, PerformancePeriod, Release, Retraining
from headrace.pipeline.report.model.quality import Ablation, Evaluation, FeatureImportance, GateResult, LearningCurve
from headrace.pipeline.report.model.service import ExportCheck, ServedCheck, Service
from headrace.pipeline.report.model.use import (
    DataStudy,
    Decisions,
    Effects,
    Fairness,
    Folds,
    Robustness,
    WeakSlices,
)


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of the run: its headline is the line the terminal showed."""

    name: str
    status: Literal["run", "skipped", "failed"]
    seconds: float
    headline: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file of the model package."""

    name: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where the model comes from: the package, its files, the snapshots it was trained on, seeds, the code."""

    package_digest: str
    version: str = ""
    alias: str = ""
    size_bytes: int = 0
    files: tuple[PackageFile, ...] = ()
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """One line to type, and what it does."""

    line: str
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class RunReport:
    """Everything one report shows. Every part but the first four may be absent; its section is then left out.

    Attributes:
        project: path or name of the project, as the user typed it.
        model: name and version: "late 1".
        question: what the model answers, a full sentence: "Will this flight arrive more than 15 minutes late?"
        digest: digest of the run's inputs.
        positives: what a positive row is, plural: "late flights".
        finished_at: ISO 8601, UTC; empty keeps the time out of the file.
    """

    project: str
    model: str
    question: str
    digest: str
    positives: str = "positive rows"
    finished_at: str = ""
    stages: tuple[StageRun, ...] = ()
    data: DataProfile | None = None
    validation: tuple[ValidationCheck, ...] = ()
    evaluation: Evaluation | None = None
    importance: tuple[FeatureImportance, ...] = ()
    ablation: Ablation | None = None
    learning_curve: LearningCurve | None = None
    gates: tuple[GateResult, ...] = ()
    decisions: Decisions | None = None
    fairness: tuple[Fairness, ...] = ()
    weak_slices: WeakSlices | None = None
    overconfident: WeakSlices | None = None
    robustness: Robustness | None = None
    folds: Folds | None = None
    effects: Effects | None = None
    data_study: DataStudy | None = None
    export: ExportCheck | None = None
    served: ServedCheck | None = None
    service: Service | None = None
    release: Release | None = None
    drift: Drift | None = None
    performance: tuple[PerformancePeriod, ...] = ()
    retraining: Retraining | None = None
    lineage: Lineage | None = None
    environment: tuple[Fact, ...] = ()
    reproduce: tuple[Command, ...] = ()

    def to_json(self) -> str:
        """Give the report as JSON text: keys sorted, so equal reports give equal text."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> RunReport:
        """Read what `to_json` wrote.

        Raises:
            InvalidInputError: the text is not JSON or does not have a report's shape.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the text"
            raise InvalidInputError(f"not a run report: {place}: {first['msg']}") from error
