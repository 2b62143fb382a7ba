"""Features: what a user declares, the plan it compiles to, and the point-in-time executor that runs the plan.

Definitions are checked where they are written; `compile_plan` checks them against the tables' columns and gives pure
data (JSON, a digest); `compute` runs a plan on Arrow tables and writes a float32 matrix. A query at time q sees what
was known at q and nothing else.

This package trains nothing, stores nothing and serves nothing. Importing it loads neither Numba, Arrow nor Polars.
"""

from headrace.features.aggregates import Aggregate, Count, CountNonNull, Max, Mean, Min, Share, Std, Sum, Var
from headrace.features.calendar_features import calendar, cyclic
from headrace.features.definitions import FeatureSet, as_of, lookup, request, windows
from headrace.features.execution import compute
from headrace.features.explanation import Explanation, explain
from headrace.features.expressions import Expression, column, query_time
from headrace.features.matrix import FeatureMatrix
from headrace.features.plan import FeaturePlan, FeatureSpec
from headrace.features.planner import compile_plan
from headrace.features.tables import EventTable, StateTable, TableReference, table

__all__ = [
    "Aggregate",
    "Count",
    "CountNonNull",
    "EventTable",
    "Explanation",
    "Expression",
    "FeatureMatrix",
    "FeaturePlan",
    "FeatureSet",
    "FeatureSpec",
    "Max",
    "Mean",
    "Min",
    "Share",
    "StateTable",
    "Std",
    "Sum",
    "TableReference",
    "Var",
    "as_of",
    "calendar",
    "column",
    "compile_plan",
    "compute",
    "cyclic",
    "explain",
    "lookup",
    "query_time",
    "request",
    "table",
    "windows",
]
