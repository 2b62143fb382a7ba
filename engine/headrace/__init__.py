"""Headrace: one engine for the whole life of a tabular model.

This is what a user's project file imports, and nothing else. Names load on first use (PEP 562), so that
`import headrace` takes milliseconds and a command loads only what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES: dict[str, tuple[str, ...]] = {
    "headrace.client": ("AsyncClient", "Client"),
    "headrace.core.errors": ("HeadraceError",),
    "headrace.data": ("CsvSource", "TableStore"),
    "headrace.evaluation": (
        "AtLeast",
        "AtMost",
        "AtThreshold",
        "Calibrated",
        "ConstrainedThreshold",
        "CostThreshold",
        "Fair",
        "Improves",
        "MaxGap",
        "NonInferior",
        "Robust",
        "SliceFloor",
        "Superior",
    ),
    "headrace.features": (
        "Corr",
        "Count",
        "CountNonNull",
        "Cov",
        "DecayedCount",
        "DecayedMean",
        "DecayedSum",
        "Diff",
        "Distinct",
        "Entropy",
        "EventTable",
        "FeatureSet",
        "First",
        "Lag",
        "Last",
        "Max",
        "Mean",
        "Median",
        "Min",
        "Mode",
        "Quantile",
        "Range",
        "Rate",
        "Ratio",
        "Share",
        "SinceLast",
        "Slope",
        "StateTable",
        "Std",
        "Sum",
        "TopShare",
        "Trend",
        "Var",
        "as_of",
        "as_of_age",
        "binned",
        "calendar",
        "calendar_window",
        "clipped",
        "coalesce",
        "column",
        "cross",
        "cyclic",
        "expanding",
        "feature",
        "frequency",
        "frequency_encoding",
        "hashed",
        "haversine",
        "if_else",
        "imputed",
        "last",
        "lookup",
        "maximum",
        "min_max",
        "minimum",
        "one_hot",
        "ordinal",
        "query_time",
        "request",
        "robust_scaled",
        "scaled",
        "session",
        "table",
        "target_encoding",
        "to_date",
        "windows",
    ),
    "headrace.monitoring": ("DriftSettings", "RetrainPolicy"),
    "headrace.pipeline.project": ("Monitoring", "Project", "Release", "UnitChange"),
    "headrace.training": ("Metric", "Model", "TimeSplit", "WalkForward"),
    "headrace.training.tuning": ("Choice", "FloatRange", "IntRange", "Tuning", "tuned"),
    "headrace.validation": (
        "Field",
        "ForeignKey",
        "Fresh",
        "NoGaps",
        "Ordered",
        "RowRule",
        "Schema",
        "TableRule",
        "Unique",
        "Volume",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(["__version__", *_HOME_OF])  # noqa: PLE0605  # the table above is the single list


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'headrace' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from headrace.client import AsyncClient as AsyncClient
    from headrace.client import Client as Client
