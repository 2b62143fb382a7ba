"""Quantiles of windows, from sorted lists."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.reference.membership import members


def aggregate_quantiles(
    frames: WindowFrames, column: ValueColumn, requests: Sequence[StatisticRequest], out: npt.NDArray[np.float64]
) -> None:
    """Write quantiles of every window, interpolated between neighbours.

    With x[0] <= ... <= x[n-1] the values and h = p * (n - 1): x[h] where h is whole; else, with a = x[floor h],
    b = x[floor h + 1] and t = h - floor h, it is a + (b - a) * t, for t >= 0.5 b - (b - a) * (1 - t): the bits of
    `numpy.quantile(method="linear")`. Two refinements: equal neighbours are the answer, and where b - a is infinite it
    is a * (1 - t) + b * t, which is finite between finite numbers and infinite beside an infinite one.

    Null policy: skipped. NaN inside: NaN. Inf is a value; between both infinities is NaN. Zero has no sign. Integers
    are rounded to float64 before they are compared. Empty: the request's `empty`.
    Complexity: O(queries x events x log(events)).

    Args:
        frames: windows.
        column: values by place.
        requests: QUANTILE with `parameter` p in [0, 1]; what to write into which row of `out`.
        out: float64[n_requests, n_queries], result.
    """
    for query, places in enumerate(members(frames)):
        kept = [float(column.values[place]) + 0.0 for place in places if column.valid is None or column.valid[place]]
        for row, request in enumerate(requests):
            assert request.statistic == Statistic.QUANTILE, request
            out[row, query] = _quantile(kept, request)


def _quantile(values: list[float], request: StatisticRequest) -> float:
    if not values:
        return request.empty
    if any(math.isnan(value) for value in values):
        return math.nan
    ascending = sorted(values)
    position = request.parameter * (len(values) - 1)
    below = math.floor(position)
    fraction, low = position - below, ascending[below]
    if fraction == 0.0 or ascending[below + 1] == low:
        return low
    high = ascending[below + 1]
    if math.isinf(high - low):
        return low * (1.0 - fraction) + high * fraction
    if fraction >= 0.5:
        return high - (high - low) * (1.0 - fraction)
    return low + (high - low) * fraction
