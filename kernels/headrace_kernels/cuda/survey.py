"""Whether exact sums of windows hold, window by window, where the column as a whole does not settle it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace_kernels.arrays import ValueColumn, WindowFrames
from headrace_kernels.cuda import device, scan
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source
from headrace_kernels.cuda.tiles import ExtremeTiles
from headrace_kernels.cuda.windows import window_arguments

SOURCE = Source("survey")
_NONE = 2**64 - 1


@dataclass(frozen=True)
class Beyond:
    """A window beyond the exact range.

    Attributes:
        count: values that count.
        low: the smallest of their integers.
        high: the largest.
        unfit: place of its first value that does not fit 64 bits, or None.
    """

    count: int
    low: int
    high: int
    unfit: int | None


def first_beyond(frames: WindowFrames, scaling: tuple[Any, ...], longest: int, *, spreads: bool) -> Beyond | None:
    """The first window with a value that does not fit, else the first one whose sums may leave the exact range.

    Complexity: O(events + queries) where visibility is ordered, else O(events of the windows). Takes 9 bytes an event
    for integers, 8 for counts and twice what `ExtremeTiles` keep, given back at the end; waits for the device.

    Args:
        frames: the windows.
        scaling: as `ScaledColumn.arguments`.
        longest: no window has more events.
        spreads: whether (values) * (largest - smallest) must stay below 2**64, not (values) * (largest magnitude) below
            2**63.
    """
    worst = device.put(np.full(2, _NONE, dtype=np.uint64))
    *window, n_queries = window_arguments(frames)
    values, integral, kept, _, factor = scaling
    if frames.events.ordered:
        _survey_ranges(frames, scaling, longest, worst, spreads=spreads)
    else:
        arguments = *window, n_queries, values, integral, kept, factor
        SOURCE.launch("survey_events", n_queries, *arguments, spreads, worst)
    unfit, beyond = (int(query) for query in device.get(worst))
    if unfit == beyond == _NONE:
        return None
    report, query = device.empty(4, np.int64), beyond if unfit == _NONE else unfit
    SOURCE.launch_blocks("survey_one", 1, *window, query, values, integral, kept, factor, report, threads=1)
    count, low, high, place = (int(number) for number in device.get(report))
    return Beyond(count, low, high, None if unfit == _NONE else place)


def _survey_ranges(
    frames: WindowFrames, scaling: tuple[Any, ...], longest: int, worst: DeviceArray, *, spreads: bool
) -> None:
    _, integral, _, n_events, _ = scaling
    first, last, extra, *_, n_queries = window_arguments(frames)
    integers, counts = device.empty(n_events, np.int64), device.empty(n_events, np.bool_)
    SOURCE.launch("prepare_survey", n_events, *scaling, integers, counts)
    kinds, before = counts.view(np.int8), scan.prefix_sums(counts)
    sides = [ExtremeTiles(ValueColumn(integers, None, 0), kinds, largest=largest) for largest in (False, True)]
    for side in sides:
        side.reach(longest)
    tiles = [argument for side in sides for argument in side.arguments]
    SOURCE.launch(
        "survey_ranges", n_queries, first, last, extra, n_queries, integers, integral, kinds, before, *tiles,
        sides[0].n_tiles, spreads, worst,
    )  # fmt: skip
