"""The ends of windows: first, last, the values before it and how long ago it was, event by event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.reference.membership import members


def aggregate_ends(
    frames: WindowFrames,
    column: ValueColumn | None,
    requests: Sequence[StatisticRequest],
    out: npt.NDArray[np.float64],
) -> None:
    """Write FIRST, LAST, LAG, DIFF, RATIO and SINCE_LAST of every window.

    With v[1], ..., v[n] the values of a window that are not null, oldest first: FIRST is v[1], LAST v[n], LAG of
    parameter k is v[n - k], DIFF v[n] - v[n-1], RATIO v[n] / v[n-1] as IEEE divides. SINCE_LAST is (q - time of v[n]) /
    parameter.

    Null policy: skipped. NaN and Inf are values like others. Where there is no such value: the request's `empty`.
    Error: integers are subtracted as integers; one rounding to float64 each, RATIO and SINCE_LAST a second one.
    Complexity: O(queries x events).

    Args:
        frames: windows.
        column: values by place; None for SINCE_LAST of events that have no value.
        requests: what to write into which row of `out`.
        out: float64[n_requests, n_queries], result.
    """
    for query, places in enumerate(members(frames)):
        kept = [place for place in places if column is None or column.valid is None or column.valid[place]]
        for row, request in enumerate(requests):
            out[row, query] = _end(frames, column, request, kept, int(frames.queries.time[query]))


def _end(
    frames: WindowFrames, column: ValueColumn | None, request: StatisticRequest, kept: list[int], now: int
) -> float:
    needed = {Statistic.LAG: int(request.parameter) + 1, Statistic.DIFF: 2, Statistic.RATIO: 2}
    if len(kept) < needed.get(request.statistic, 1):
        return request.empty
    if request.statistic == Statistic.SINCE_LAST:
        return float(now - int(frames.events.time[kept[-1]])) / request.parameter
    assert column is not None, "only SINCE_LAST needs no values"
    values = [column.values[place].item() for place in kept]
    index = {Statistic.FIRST: 0, Statistic.LAST: -1, Statistic.LAG: -1 - int(request.parameter)}
    if request.statistic in index:
        return float(values[index[request.statistic]])
    if request.statistic == Statistic.DIFF:
        return float(values[-1] - values[-2])
    with np.errstate(all="ignore"):
        return float(np.float64(values[-1]) / np.float64(values[-2]))
