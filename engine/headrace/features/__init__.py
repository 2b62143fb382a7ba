"""Features: what a user declares, the plan it compiles to, and the point-in-time executor that runs the plan.

Definitions are checked where they are written; `compile_plan` checks them against the tables' columns and gives pure
data (JSON, a digest); `compute` runs a plan on Arrow tables and writes a float32 matrix. A query at time q sees what
was known at q and nothing else.

This package trains nothing, stores nothing and serves nothing. Importing it loads neither Numba, Arrow nor Polars.
"""

from headrace.features.definition.calendar_features import calendar, cyclic
from headrace.features.definition.encoders import (
    EncoderFeature,
    binned,
    clipped,
    frequency,
    hashed,
    imputed,
    min_max,
    one_hot,
    ordinal,
    robust_scaled,
    scaled,
)
from headrace.features.definition.expressions import Expression, column, feature, query_time
from headrace.features.definition.feature_set import FeatureSet, as_of, as_of_age, lookup, request
from headrace.features.definition.functions import coalesce, cross, haversine, if_else, maximum, minimum
from headrace.features.definition.spans import WindowSpan, calendar_window, expanding, last, session, to_date
from headrace.features.definition.tables import EventTable, StateTable, TableReference, table
from headrace.features.definition.target_encodings import frequency_encoding, target_encoding
from headrace.features.definition.window_features import windows
from headrace.features.definition.window_statistics import (
    Aggregate,
    Corr,
    Count,
    CountNonNull,
    Cov,
    DecayedCount,
    DecayedMean,
    DecayedSum,
    Diff,
    Distinct,
    Entropy,
    First,
    Lag,
    Last,
    Max,
    Mean,
    Median,
    Min,
    Mode,
    Quantile,
    Range,
    Rate,
    Ratio,
    Share,
    SinceLast,
    Slope,
    Std,
    Sum,
    TopShare,
    Trend,
    Var,
)
from headrace.features.device import Devices, open_devices
from headrace.features.encoding.fitting import fit_plan
from headrace.features.execution import compute
from headrace.features.explanations.explanation import Explanation, explain
from headrace.features.matrix import FeatureMatrix
from headrace.features.plan import FeaturePlan, FeatureSpec
from headrace.features.planning.outline import Outline
from headrace.features.planning.planner import compile_plan

__all__ = [
    "Aggregate",
    "Corr",
    "Count",
    "CountNonNull",
    "Cov",
    "DecayedCount",
    "DecayedMean",
    "DecayedSum",
    "Devices",
    "Diff",
    "Distinct",
    "EncoderFeature",
    "Entropy",
    "EventTable",
    "Explanation",
    "Expression",
    "FeatureMatrix",
    "FeaturePlan",
    "FeatureSet",
    "FeatureSpec",
    "First",
    "Lag",
    "Last",
    "Max",
    "Mean",
    "Median",
    "Min",
    "Mode",
    "Outline",
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
    "TableReference",
    "TopShare",
    "Trend",
    "Var",
    "WindowSpan",
    "as_of",
    "as_of_age",
    "binned",
    "calendar",
    "calendar_window",
    "clipped",
    "coalesce",
    "column",
    "compile_plan",
    "compute",
    "cross",
    "cyclic",
    "expanding",
    "explain",
    "feature",
    "fit_plan",
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
    "open_devices",
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
]
