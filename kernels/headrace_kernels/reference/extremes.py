"""Smallest and largest values of windows, and the distance between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.dtypes import Floats
from headrace_kernels.reference.membership import members


def aggregate_extremes(
    frames: WindowFrames, column: ValueColumn, requests: Sequence[StatisticRequest], out: Floats
) -> None:
    """Write smallest and largest values and their distance.

    Null policy: skipped. NaN inside gives NaN; infinite values are compared. Zero has no sign; the distance of integers
    is exact before it becomes a float64. Empty: `request.empty`.
    Complexity: O(queries * events).

    Args:
        frames: the windows.
        column: the values, by place.
        requests: MIN, MAX, RANGE.
        out: float64[n_requests, n_queries], result.
    """
    for query, places in enumerate(members(frames)):
        values = [column.values[place].item() for place in places if column.valid is None or column.valid[place]]
        for row, request in enumerate(requests):
            out[row, query] = _statistic(values, request)


def _statistic(values: list[float] | list[int], request: StatisticRequest) -> float:
    if not values:
        return request.empty
    if any(math.isnan(value) for value in values):
        return math.nan
    low, high = min(values), max(values)
    return {Statistic.MIN: float(low), Statistic.MAX: float(high), Statistic.RANGE: float(high - low)}[
        request.statistic
    ] + 0.0
