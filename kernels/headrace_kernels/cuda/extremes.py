"""Smallest and largest values of windows on the device, and the distance between them.

A window of fewer than 16 events is looked through. Any other is its first 16 events, its last 16, and two runs of a
power of two of tiles that cover what lies between: the same work for a day and for a month.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace_kernels.arrays import Statistic, StatisticRequest, WindowFrames
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.scaling import longest_range
from headrace_kernels.cuda.source import Source
from headrace_kernels.cuda.summed_columns import SummedColumn
from headrace_kernels.cuda.tiles import ExtremeTiles
from headrace_kernels.cuda.windows import bits_of, result_arguments, window_arguments
from headrace_kernels.slots import slot_tables

SOURCE = Source("extremes")
_STATISTICS = (Statistic.MIN, Statistic.MAX, Statistic.RANGE)
_NO_TILES = (None, None)


def aggregate_extremes(
    frames: WindowFrames, column: SummedColumn, requests: Sequence[StatisticRequest], out: DeviceArray
) -> None:
    """Write smallest, largest and range; see the reference.

    Complexity: O(events + queries) where visibility is ordered, whatever the windows' length; else O(events of the
    windows), a look at each. Bytes moved a query, smallest and largest as float32, where neighbours share what they
    read: 40 where all values are finite, 8 more where some are null. Memory: `ExtremeTiles`, once a column for smallest
    and once for largest values.
    """
    sides = _sides(frames, column, requests)
    n_tiles = max((each.n_tiles for each in sides if each is not None), default=0)
    tiles = [argument for each in sides for argument in (each.arguments if each is not None else _NO_TILES)]
    marks = None if not frames.events.ordered else column.marks
    has_specials = marks is not None and len(marks) > 1
    for slots, empty in slot_tables(tuple(requests), _STATISTICS):
        SOURCE.launch(
            "aggregate_extremes", len(frames.first), *window_arguments(frames), *bits_of(column.column.values),
            column.kinds, marks, len(column.column.values) + 1, has_specials, *tiles, n_tiles, *slots, *empty,
            *result_arguments(out),
        )  # fmt: skip


def _sides(
    frames: WindowFrames, column: SummedColumn, requests: Sequence[StatisticRequest]
) -> tuple[ExtremeTiles | None, ExtremeTiles | None]:
    """Tiles of smallest and of largest values, where they are asked for and windows are ranges of places."""
    asked = {request.statistic for request in requests}
    if not frames.events.ordered or not len(column.column.values):
        return None, None
    longest = longest_range(frames)
    low = column.tiles(longest, largest=False) if asked & {Statistic.MIN, Statistic.RANGE} else None
    high = column.tiles(longest, largest=True) if asked & {Statistic.MAX, Statistic.RANGE} else None
    return low, high
