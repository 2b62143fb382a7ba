"""The report as data: plain frozen dataclasses that the pipeline fills and the pages only read.

Intervals are 95 %, shares run from 0 to 1, times are ISO 8601 in UTC, units are in the names. Missing is None, not NaN.
"""

from headrace.pipeline.report.model.data import ColumnProfile, DataProfile, TableSummary, ValidationCheck
from headrace.pipeline.report.model.figures import CategoryCount, Estimate, Fact, Histogram
from headrace.pipeline.report.model.operations import (
    CanaryShare,
    Drift,
    DriftPeriod,
    DriftSeries,
    PerformancePeriod,
    Release,
    ReleaseEvent,
    Retraining,
)
from headrace.pipeline.report.model.quality import (
    Ablation,
    AblationArm,
    CalibrationBin,
    Evaluation,
    FeatureImportance,
    GateResult,
    LearningCurve,
    Measure,
    RocCurve,
    ScorerQuality,
    SliceQuality,
    spelled,
)
from headrace.pipeline.report.model.run import Command, Lineage, PackageFile, RunReport, StageRun
from headrace.pipeline.report.model.service import TOLERANCE, ExportCheck, ServedCheck, Service
from headrace.pipeline.report.model.use import (
    Damage,
    Decisions,
    Fairness,
    Folds,
    GroupRate,
    Robustness,
    WeakSlice,
    WeakSlices,
)

__all__ = [
    "TOLERANCE",
    "Ablation",
    "AblationArm",
    "CalibrationBin",
    "CanaryShare",
    "CategoryCount",
    "ColumnProfile",
    "Command",
    "Damage",
    "DataProfile",
    "Decisions",
    "Drift",
    "DriftPeriod",
    "DriftSeries",
    "Estimate",
    "Evaluation",
    "ExportCheck",
    "Fact",
    "Fairness",
    "FeatureImportance",
    "Folds",
    "GateResult",
    "GroupRate",
    "Histogram",
    "LearningCurve",
    "Lineage",
    "Measure",
    "PackageFile",
    "PerformancePeriod",
    "Release",
    "ReleaseEvent",
    "Retraining",
    "Robustness",
    "RocCurve",
    "RunReport",
    "ScorerQuality",
    "ServedCheck",
    "Service",
    "SliceQuality",
    "StageRun",
    "TableSummary",
    "ValidationCheck",
    "WeakSlice",
    "WeakSlices",
    "spelled",
]
