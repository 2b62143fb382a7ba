"""What a model does once it answers: prediction log, labels, drift, performance, alerts, retraining.

The serving process imports this package for the prediction log, so importing it loads numpy and nothing heavier:
pyarrow is loaded by the log's writer thread and by whoever reads, on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from headrace.monitoring.alerts import Alert, AlertLog, AlertState, Severity
from headrace.monitoring.baseline import Baseline, BaselineSettings, build_baseline
from headrace.monitoring.drift import DriftReport, DriftSettings, FeatureDrift, Verdict, judge_drift
from headrace.monitoring.performance import WindowPerformance, performance_by_window, quality_loss
from headrace.monitoring.prediction_log import LogCounts, LogLimits, PredictionBatch, PredictionLog
from headrace.monitoring.retraining import RetrainDecision, RetrainPolicy, RetrainSnapshot, Trigger

if TYPE_CHECKING:
    from headrace.monitoring.labels import join_labels
    from headrace.monitoring.prediction_segments import feature_matrix, read_predictions, score_matrix

__all__ = [
    "Alert",
    "AlertLog",
    "AlertState",
    "Baseline",
    "BaselineSettings",
    "DriftReport",
    "DriftSettings",
    "FeatureDrift",
    "LogCounts",
    "LogLimits",
    "PredictionBatch",
    "PredictionLog",
    "RetrainDecision",
    "RetrainPolicy",
    "RetrainSnapshot",
    "Severity",
    "Trigger",
    "Verdict",
    "WindowPerformance",
    "build_baseline",
    "feature_matrix",
    "join_labels",
    "judge_drift",
    "performance_by_window",
    "quality_loss",
    "read_predictions",
    "score_matrix",
]

_NEED_PYARROW = {
    "feature_matrix": "prediction_segments",
    "join_labels": "labels",
    "read_predictions": "prediction_segments",
    "score_matrix": "prediction_segments",
}


def __getattr__(name: str) -> Any:
    if name not in _NEED_PYARROW:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_NEED_PYARROW[name]}"), name)
