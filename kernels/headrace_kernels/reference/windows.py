"""Window statistics, event by event, in plain Python integers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headrace_kernels.arrays import (
    ExactRangeError,
    GroupedEvents,
    GroupedQueries,
    Statistic,
    ValueColumn,
    WindowRequest,
)
from headrace_kernels.dtypes import Matrix
from headrace_kernels.reference import exact


def aggregate_windows(
    events: GroupedEvents,
    queries: GroupedQueries,
    columns: Sequence[ValueColumn],
    requests: Sequence[WindowRequest],
    out: Matrix,
) -> None:
    """Write the statistics of the events visible at each query into the matrix.

    An event is in the window of a query at q when it has the query's key, `visible_at <= q` and
    `q - width <= time < q`. Rows of `out` whose query has no key get the empty window's values.

    Null policy: skipped. NaN makes every statistic but counts NaN while it is inside. An infinite value makes sum and
    mean infinite (NaN with both signs), variance NaN; min, max and share compare it. Empty: counts 0, else NaN;
    variance needs two values. Zero has no sign in min and max. Complexity: O(queries x events).

    Args:
        events: grouped events.
        queries: grouped queries; `rows` are rows of `out`.
        columns: value columns in the event table's order.
        requests: what to write where.
        out: float32[n_rows, n_features], C-contiguous; only the requested columns are written.

    Raises:
        ExactRangeError: a value or a window's sum does not fit the exact range.
    """
    for request in requests:
        out[:, request.slot] = _statistic([], request, columns)
    for key in range(len(queries.groups.starts) - 1):
        event_range = range(events.groups.starts[key], events.groups.starts[key + 1])
        for place in range(queries.groups.starts[key], queries.groups.starts[key + 1]):
            now = int(queries.time[place])
            visible = [place for place in event_range if events.visible_at[place] <= now]
            for request in requests:
                rows = [
                    int(events.groups.rows[place])
                    for place in visible
                    if now - request.width_us <= events.time[place] < now
                ]
                out[queries.groups.rows[place], request.slot] = _statistic(rows, request, columns)


def _statistic(rows: list[int], request: WindowRequest, columns: Sequence[ValueColumn]) -> float:
    if request.column is None:
        return float(len(rows))
    column = columns[request.column]
    values = [column.values[row].item() for row in rows if column.valid is None or column.valid[row]]
    if request.statistic == Statistic.COUNT_NON_NULL:
        return float(len(values))
    if not values or any(math.isnan(value) for value in values):
        return math.nan
    if request.statistic == Statistic.SHARE:
        return len([value for value in values if value > request.above]) / len(values)
    if request.statistic in {Statistic.MIN, Statistic.MAX}:
        return float(min(values) if request.statistic == Statistic.MIN else max(values)) + 0.0
    try:
        return _moment(values, request.statistic, column.bits)
    except OverflowError as error:
        raise ExactRangeError(str(error), request.column) from error


def _moment(values: list[float], statistic: Statistic, bits: int) -> float:
    infinite = [value for value in values if math.isinf(value)]
    if infinite:
        undefined = statistic in {Statistic.VAR, Statistic.STD} or len(set(infinite)) > 1
        return math.nan if undefined else infinite[0]
    integers = [exact.to_integer(value, bits) for value in values]
    total, squares, count = sum(integers), sum(value * value for value in integers), len(integers)
    if statistic == Statistic.SUM:
        return float(total) * 2.0**-bits
    if statistic == Statistic.MEAN:
        return exact.mean(total, count, bits)
    if count < 2:
        return math.nan
    if statistic == Statistic.VAR:
        return exact.variance(total, squares, count, bits)
    return exact.deviation(total, squares, count, bits)
