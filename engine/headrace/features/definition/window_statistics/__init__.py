"""The statistics a window can hold, one file a family, named as the kernels are.

Unless a class says otherwise: nulls are skipped; NaN propagates while it is inside the window and is gone when it
leaves (`nan="skip"` counts it as missing instead); an infinite value does what IEEE arithmetic says. An empty window
counts 0 and has no other value: null, NaN in the matrix, or what `empty=` says. `explain` shows the events behind one.
"""

from headrace.features.definition.window_statistics.aggregate import Aggregate, ValueAggregate
from headrace.features.definition.window_statistics.categories import Distinct, Entropy, Mode, TopShare
from headrace.features.definition.window_statistics.decay import DecayedCount, DecayedMean, DecayedSum
from headrace.features.definition.window_statistics.ends import Diff, First, Lag, Last, Ratio, SinceLast
from headrace.features.definition.window_statistics.moments import (
    Count,
    CountNonNull,
    Max,
    Mean,
    Min,
    Range,
    Rate,
    Share,
    Std,
    Sum,
    Var,
)
from headrace.features.definition.window_statistics.pairs import Corr, Cov, Slope, Trend
from headrace.features.definition.window_statistics.quantiles import Median, Quantile

__all__ = [
    "Aggregate",
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
    "Std",
    "Sum",
    "TopShare",
    "Trend",
    "ValueAggregate",
    "Var",
]
