"""Counts, sums, means, variances and shares of windows on the device, from exact integer prefix sums.

Sums of integers have no order: one subtraction a window gives the CPU's bits, whatever the windows' length. Where
visibility is unordered, a window is no range, and each query adds up what it sees of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace_kernels.arrays import Statistic, StatisticRequest, WindowFrames
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source
from headrace_kernels.cuda.summed_columns import SummedColumn
from headrace_kernels.cuda.windows import result_arguments, window_arguments
from headrace_kernels.slots import slot_tables

SOURCE = Source("moments")
_VARIANCES = frozenset({Statistic.VAR, Statistic.STD})
_SUMMED = frozenset({Statistic.SUM, Statistic.MEAN}) | _VARIANCES
_ALL = (
    Statistic.COUNT, Statistic.COUNT_NON_NULL, Statistic.SUM, Statistic.MEAN, Statistic.VAR, Statistic.STD
)  # fmt: skip


def aggregate_moments(
    frames: WindowFrames, column: SummedColumn | None, requests: Sequence[StatisticRequest], out: DeviceArray
) -> None:
    """Write counts, sums, means, variances, deviations and shares; see the reference.

    Complexity: O(events + queries), one pass over the queries for all but shares, which take one each; where
    visibility is unordered, O(events of the windows). Bytes moved a query, where all values are finite: 16 for a count,
    16 more with sums, 32 more with variances, and 4 or 8 a result; where some are null, 16 more.

    Raises:
        ExactRangeError: a value, or (events in a window) * (largest magnitude), leaves the exact range.
    """
    asked = {request.statistic for request in requests}
    sums, squares = None, None
    if column is not None and asked & _SUMMED:
        column.scaled.check_sums(frames)
        # events that come one by one are squared one by one
        squared = frames.events.ordered and bool(asked & _VARIANCES)
        sums, squares = column.sums(squared=squared)
        squares = squares if squared else None
    arguments, results = (*window_arguments(frames), *_kind_arguments(frames, column)), result_arguments(out)
    unit = 1.0 if column is None else 2.0**-column.column.bits
    for slots, empty in slot_tables(tuple(requests), _ALL):
        SOURCE.launch(
            "aggregate_moments", len(frames.first), *arguments, sums, squares, unit, *slots, *empty[2:], *results
        )
    for row, request in enumerate(requests):
        if request.statistic == Statistic.SHARE and column is not None:
            above = column.above(request.parameter)
            SOURCE.launch("write_share", len(frames.first), *arguments, above, row, request.empty, *results)


def _kind_arguments(frames: WindowFrames, column: SummedColumn | None) -> tuple[Any, ...]:
    """What says which values are null, NaN or infinite: kinds, marks, n_marks, has_specials."""
    if column is None or column.kinds is None:
        return None, None, 0, False
    marks = column.marks if frames.events.ordered else None
    return column.kinds, marks, len(column.column.values) + 1, marks is not None and len(marks) > 1
