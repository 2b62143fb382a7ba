"""What a model does once it answers: prediction log, labels, drift, performance, alerts, retraining.

The serving process imports this package for the prediction log, so importing it loads numpy and nothing heavier:
pyarrow is loaded by the log's writer thread and by whoever reads, on first use.
"""

from typing import TYPE_CHECKING, Any

from headrace.monitoring.baseline import Baseline, BaselineSettings, build_baseline
from headrace.monitoring.drift import DriftReport, DriftSettings, FeatureDrift, Verdict, judge_drift
from headrace.monitoring.prediction_log import LogCounts, LogLimits, PredictionBatch, PredictionLog
from headrace.monitoring.retraining import RetrainDecision, RetrainPolicy, RetrainSnapshot, Trigger

if TYPE_CHECKING:
    from headrace.monitoring.prediction_segments import feature_matrix, read_predictions, score_matrix

__all__ = [
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
    "Trigger",
    "Verdict",
    "build_baseline",
    "feature_matrix",
    "judge_drift",
    "read_predictions",
    "score_matrix",
]

_NEED_PYARROW = {"feature_matrix", "read_predictions", "score_matrix"}


def __getattr__(name: str) -> Any:
    if name in _NEED_PYARROW:
        from headrace.monitoring import prediction_segments

        return getattr(prediction_segments, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
