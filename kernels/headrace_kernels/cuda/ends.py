"""The ends of windows on the device: places of values counted from either end, then values in the column's own type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cuda import device, scan
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source
from headrace_kernels.cuda.windows import bits_of, result_arguments, window_arguments

SOURCE = Source("ends")
_OLDEST = -1


def aggregate_ends(
    frames: WindowFrames, column: ValueColumn | None, requests: Sequence[StatisticRequest], out: DeviceArray
) -> None:
    """Write FIRST, LAST, LAG, DIFF, RATIO and SINCE_LAST of every window; see the reference for the policy.

    Complexity: O(events + queries * requests) where visibility is ordered, else plus the events of a window that are
    not visible yet and the n of LAG. Bytes moved: 24 a query, 8 to 32 a request of it and 4 or 8 a result; where a
    column has nulls, up to 27 an event for the places of the others, and 16 more a query.
    """
    statistics = np.array([request.statistic for request in requests], dtype=np.int64)
    depths = np.array([_depth(request) for request in requests], dtype=np.int64)
    parameters = np.array([request.parameter for request in requests], dtype=np.float64)
    empties = np.array([request.empty for request in requests], dtype=np.float64)
    asked = [device.put(each) for each in (statistics, depths, parameters, empties)]
    values, integral = (None, False) if column is None else bits_of(column.values)
    SOURCE.launch(
        "aggregate_ends", len(frames.first), *window_arguments(frames), frames.events.time, values, integral,
        *_kept(column), *asked, len(requests), *result_arguments(out),
    )  # fmt: skip


def _depth(request: StatisticRequest) -> int:
    """How many values back from the newest one a statistic looks; the one before it too, where it takes two."""
    if request.statistic == Statistic.FIRST:
        return _OLDEST
    return int(request.parameter) if request.statistic == Statistic.LAG else 0


def _kept(column: ValueColumn | None) -> tuple[DeviceArray | None, DeviceArray | None]:
    """Places that are not null, and how many of them come before each place; None where no value is null."""
    if column is None or column.valid is None:
        return None, None
    before, n_events = scan.prefix_sums(column.valid), len(column.valid)
    kept = device.empty(n_events, np.int64)  # filled as far as there are values
    SOURCE.launch("keep_places", n_events, column.valid, before, n_events, kept)
    return kept, before
