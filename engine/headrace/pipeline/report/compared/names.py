"""What the page calls runs, metrics and values."""

from __future__ import annotations

import json
from typing import Any

from headrace.pipeline.report import numbers
from headrace.pipeline.report.model import Estimate
from headrace.training.runs import MetricValue, RunRecord

_UPPER = frozenset({"auc", "ece", "rmse", "mae", "mape", "ndcg", "map"})


def label(run: RunRecord) -> str:
    """A run's name, else the short id."""
    return run.start.name or run.short_id


def spelled(metric: str) -> str:
    """`test.auc` -> `test AUC`."""
    return " ".join(word.upper() if word in _UPPER else word.replace("_", " ") for word in metric.split("."))


def estimate(metric: MetricValue) -> Estimate:
    """A metric with its interval; NaN where there is no value."""
    return Estimate(float("nan") if metric.value is None else metric.value, metric.low, metric.high)


def shown(value: Any) -> str:
    """A parameter's value as a person writes it."""
    if value is None:
        return numbers.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "0" if value == 0 else numbers.compact(value)
    return value if isinstance(value, str) else json.dumps(value)


def is_number(value: Any) -> bool:
    """Whether a value has a place on a scale; yes and no have none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
