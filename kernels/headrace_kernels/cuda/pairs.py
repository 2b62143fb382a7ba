"""Covariance, correlation and slope of windows on the device, from exact sums.

Sums and products are kept modulo 2**128, where only the difference between a window's two ends matters: the integers
are those that the CPU gets by following what enters and leaves. Sums are stored before every 32nd event; a window adds
the at most 62 events beside them, which its neighbours in the warp read too. So a window of any length costs the same,
and the sums take 2.75 bytes an event, not 88. Where visibility is not ordered, the events of the range that the query
does not see yet are found and taken away again: integers forget nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headrace_kernels.arrays import GroupedEvents, Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.cuda import device, scan
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.requests import column_arguments, request_arguments, require_support, window_arguments
from headrace_kernels.cuda.source import Source
from headrace_kernels.cuda.spreads import ScaledValues, check_times, measure_windows
from headrace_kernels.cuda.unseen import latest_visible

SOURCE = Source("pairs")
SUPPORTED = frozenset({Statistic.COV, Statistic.CORR, Statistic.SLOPE, Statistic.TREND})
"""Statistics that this module computes, of windows with and without ordered visibility."""
_SAMPLE = 32
_N_SUMS = 5
_THREADS = 128


@dataclass(frozen=True)
class PairIndex:
    """What all windows over some events and two columns share.

    Attributes:
        scaled: the columns as integers; without the second one, the times take its place.
        rights: int64[n_events], integers of the second column, or times.
        before: uint64[5 * n_samples, 2], sums of x, y, x * y, x * x and y * y before every 32nd event, each with all
            of the sums before it added, which differences do not see.
        counts: int64[n_samples + 1], events before it: pairs of finite numbers in the low half, others in the high one.
        latest: last times of visibility, as `unseen.py` makes them; None where visibility is ordered.
    """

    scaled: tuple[ScaledValues, ...]
    rights: DeviceArray
    before: DeviceArray
    counts: DeviceArray
    latest: DeviceArray | None


def index_pairs(events: GroupedEvents, left: ValueColumn, right: ValueColumn | None) -> PairIndex:
    """Scale two columns and sum them up. Complexity: O(n_events); 40 to 70 bytes moved an event, 20 of them kept.

    Args:
        events: grouped events, fewer than 2**31.
        left: values by place.
        right: values by place; None for the times.
    """
    n_events, columns = len(events.time), (left,) if right is None else (left, right)
    kinds = device.empty(n_events, np.int8)
    (left_floats, _, left_valid), (right_floats, _, right_valid) = column_arguments(left), column_arguments(right)
    SOURCE.launch("pair_kinds", n_events, left_floats, left_valid, right_floats, right_valid, n_events, kinds)
    scaled = tuple(_scale(column, kinds) for column in columns)
    rights = events.time if right is None else scaled[1].integers
    n_samples = n_events // _SAMPLE + 1
    sums, counts = device.empty((_N_SUMS * n_samples, 2), np.uint64), device.empty(n_samples, np.int64)
    SOURCE.launch(
        "sum_samples", n_samples * _SAMPLE, kinds, scaled[0].integers, rights, n_events, n_samples, sums, counts
    )  # fmt: skip
    latest = None if events.ordered else latest_visible(events.visible_at)
    return PairIndex(scaled, rights, scan.pair_offsets(sums), scan.prefix_sums(counts), latest)


def aggregate_pairs(
    frames: WindowFrames,
    left: ValueColumn,
    right: ValueColumn | None,
    requests: Sequence[StatisticRequest],
    out: DeviceArray,
    *,
    index: PairIndex | None = None,
) -> None:
    """Write COV, CORR, SLOPE or TREND of every window; see the reference for the policy.

    Complexity: that of the index, and O(queries * requests) whatever the windows' length; where visibility is not
    ordered, events of the windows that their queries do not see yet come to that. A query reads 176 bytes of sums and
    about 32 events of 17 bytes, mostly cached.

    Args:
        frames: windows.
        left: values by place, explained.
        right: values by place, explaining; None for TREND, which takes the time.
        requests: what to write into which row of `out`.
        out: float32 or float64[n_requests, n_queries], result.
        index: of the same events and columns, where several frames share it.

    Raises:
        ExactRangeError: a value of a window does not fit 64 bits at its column's resolution, or (its events) *
            (its largest - smallest value), or of its times, reaches 2**64.
        UnsupportedStatisticError: a request for another statistic.
    """
    require_support(requests, SUPPORTED)
    known = index or index_pairs(frames.events, left, right)
    measures = measure_windows(frames, with_times=right is None)
    for number, scaled in enumerate(known.scaled):
        scaled.check_spreads(frames, number, measures.most_events)
    if right is None:
        check_times(frames, measures)
    left_unit, right_unit = 2.0**-left.bits, 2.0**-right.bits if right is not None else 1.0
    SOURCE.launch(
        "relate_pairs", len(frames.first), *window_arguments(frames), known.scaled[0].kinds, known.scaled[0].integers,
        known.rights, known.before, len(known.before) // _N_SUMS, known.counts, known.latest,
        len(frames.events.time), left_unit * right_unit, left_unit / right_unit,
        *request_arguments(requests, range(len(requests)), out), threads=_THREADS,
    )  # fmt: skip


def _scale(column: ValueColumn, kinds: DeviceArray) -> ScaledValues:
    floats, integers, _ = column_arguments(column)
    n_events, found = len(kinds), device.zeros(2, np.uint64)
    scaled = device.empty(n_events, np.int64)
    SOURCE.launch("scale_values", n_events, floats, integers, kinds, n_events, 2.0**column.bits, scaled, found)
    largest, misfit = device.get(found)
    return ScaledValues(column, kinds, scaled, int(largest), not misfit)
