"""Exponentially decayed statistics on the device: a thread a window, one half-life at a time.

The bits of a sum of floats depend on the order of addition, and the order is part of the definition: each window is
added up anew, oldest event first, as on the CPU. So a window costs what it holds; this is the one kernel whose cost
grows with the windows' length. Neighbouring threads have neighbouring windows and share what they read in the cache.

Simultaneous events are added by value. Their runs are sorted by merging: one launch for each doubling of the longest
run, none where every event has a time of its own. Working memory: 17 bytes an event, and 8 a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cuda import device, scan
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.requests import column_arguments, request_arguments, window_arguments
from headrace_kernels.cuda.source import Source

SOURCE = Source("decay")
SUPPORTED = frozenset({Statistic.DECAYED_COUNT, Statistic.DECAYED_SUM, Statistic.DECAYED_MEAN})
"""Statistics that this module computes, of windows with and without ordered visibility."""
_THREADS = 128


@dataclass(frozen=True)
class _TieOrder:
    """The order of addition where events are simultaneous.

    Attributes:
        order: uint32[n_events], places, run after run, by value within a run.
        before: int64[n_events + 1], runs that begin before each place.
        begins: int64[n_events + 1], where each run begins; after the last one, the number of events.
    """

    order: DeviceArray
    before: DeviceArray
    begins: DeviceArray


def aggregate_decayed(
    frames: WindowFrames, column: ValueColumn | None, requests: Sequence[StatisticRequest], out: DeviceArray
) -> None:
    """Write DECAYED_COUNT, DECAYED_SUM and DECAYED_MEAN of every window; see the reference for the policy.

    Complexity: O(events * log(longest run of simultaneous events)**2 + queries + events of all windows), the last two
    times the different half-lives. Moves 16 to 29 bytes an event of a window, mostly from the cache.

    Args:
        frames: windows; fewer than 2**32 events.
        column: values by place; None for the count of all events.
        requests: what to write into which row of `out`; `parameter` is the half-life in microseconds.
        out: float32 or float64[n_requests, n_queries], result.
    """
    floats, integers, valid = column_arguments(column)
    ties = _order_ties(frames, floats, integers) if column is not None else None
    order = (ties.order, ties.before, ties.begins) if ties else (None, None, None)
    for half_life in dict.fromkeys(request.parameter for request in requests):
        rows = [row for row, request in enumerate(requests) if request.parameter == half_life]
        SOURCE.launch(
            "weigh", len(frames.first), *window_arguments(frames), frames.events.time, *order, floats, integers, valid,
            half_life, *request_arguments(requests, rows, out), threads=_THREADS,
        )  # fmt: skip


def _order_ties(frames: WindowFrames, floats: DeviceArray, integers: DeviceArray) -> _TieOrder | None:
    """Places with simultaneous events by value, -0.0 beside 0.0, NaN last; None where there are none."""
    events, n_events = frames.events, len(frames.events.time)
    if not n_events:
        return None
    begin, n_keys = device.empty(n_events, np.bool_), len(events.groups.starts) - 1
    SOURCE.launch("mark_runs", n_events, events.time, events.visible_at, n_events, begin)
    SOURCE.launch("mark_groups", n_keys, events.groups.starts, n_keys, n_events, begin)
    before = scan.prefix_sums(begin)
    n_runs = int(device.get(before[n_events:])[0])
    if n_runs == n_events:
        return None
    begins, longest = device.empty(n_runs + 1, np.int64), device.zeros(1, np.int64)
    SOURCE.launch("place_runs", n_events, before, n_events, begins)
    SOURCE.launch("measure_runs", n_runs, begins, n_runs, longest)
    order, spare, width = None, device.empty(n_events, np.uint32), 1
    most = int(device.get(longest)[0])
    while width < most:
        merged, spare = spare, device.empty(n_events, np.uint32) if order is None else order
        SOURCE.launch("merge_runs", n_events, floats, integers, before, begins, n_events, width, order, merged)
        order, width = merged, width * 2
    return _TieOrder(order, before, begins)
