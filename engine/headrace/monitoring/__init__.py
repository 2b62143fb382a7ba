"""What a model does once it answers: prediction log, labels, drift, performance, alerts, retraining.

The serving process imports this package for the prediction log, so importing it loads numpy and nothing heavier:
pyarrow is loaded by the log's writer thread and by whoever reads.
"""

from headrace.monitoring.prediction_log import LogCounts, LogLimits, PredictionBatch, PredictionLog

__all__ = ["LogCounts", "LogLimits", "PredictionBatch", "PredictionLog", "read_predictions"]


def __getattr__(name: str) -> object:
    if name == "read_predictions":
        from headrace.monitoring.prediction_segments import read_predictions

        return read_predictions
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
