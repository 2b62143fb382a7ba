"""Counts, sums, means, variances and shares of windows, event by event, in plain Python integers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headrace_kernels.arrays import ExactRangeError, Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.dtypes import Floats
from headrace_kernels.reference import exact
from headrace_kernels.reference.membership import members


def aggregate_moments(
    frames: WindowFrames, column: ValueColumn | None, requests: Sequence[StatisticRequest], out: Floats
) -> None:
    """Write counts, sums, means, variances, deviations and shares of every window.

    Null policy: skipped. NaN makes every statistic but counts NaN while it is inside. An infinite value makes sum and
    mean infinite (NaN with both signs), variance NaN; share compares it. Empty: `request.empty`, which is also what a
    variance of fewer than two values is. Complexity: O(queries * events).

    Args:
        frames: the windows.
        column: the values, by place; None where only events are counted.
        requests: COUNT, COUNT_NON_NULL, SUM, MEAN, VAR, STD (n - 1), SHARE of values greater than the parameter.
        out: float64[n_requests, n_queries], result.

    Raises:
        ExactRangeError: a value does not fit the exact range.
    """
    for query, places in enumerate(members(frames)):
        for row, request in enumerate(requests):
            out[row, query] = _statistic(places, column, request)


def _statistic(  # noqa: PLR0911  # one line a statistic
    places: list[int], column: ValueColumn | None, request: StatisticRequest
) -> float:
    if request.statistic == Statistic.COUNT or column is None:
        return float(len(places))
    values = [column.values[place].item() for place in places if column.valid is None or column.valid[place]]
    if request.statistic == Statistic.COUNT_NON_NULL:
        return float(len(values))
    if not values:
        return request.empty
    if any(math.isnan(value) for value in values):
        return math.nan
    if request.statistic == Statistic.SHARE:
        return len([value for value in values if value > request.parameter]) / len(values)
    spread = request.statistic in {Statistic.VAR, Statistic.STD}
    if spread and len(values) < 2:
        return request.empty
    infinite = [value for value in values if math.isinf(value)]
    if infinite:
        return math.nan if spread or len(set(infinite)) > 1 else infinite[0]
    try:
        integers = [exact.to_integer(value, column.bits) for value in values]
    except OverflowError as error:
        raise ExactRangeError(str(error)) from error
    total, squares, count = sum(integers), sum(value * value for value in integers), len(integers)
    return {
        Statistic.SUM: lambda: float(total) * 2.0**-column.bits,
        Statistic.MEAN: lambda: exact.mean(total, count, column.bits),
        Statistic.VAR: lambda: exact.variance(total, squares, count, column.bits),
        Statistic.STD: lambda: exact.deviation(total, squares, count, column.bits),
    }[request.statistic]()
