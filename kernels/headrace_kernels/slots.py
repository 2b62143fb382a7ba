"""Where the statistics of one call go: rows of its output, found once for every kernel that writes several."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from headrace_kernels.arrays import Statistic, StatisticRequest
from headrace_kernels.dtypes import Floats, Integers


def slot_tables(
    requests: tuple[StatisticRequest, ...], statistics: tuple[Statistic, ...]
) -> tuple[tuple[Integers, Floats], ...]:
    """Which row of the output each statistic goes to, or -1, and what it is where it has no value.

    A statistic that is asked for twice comes in a table of its own. Tables are kept, with the signs of what stands for
    no value: requests with 0.0 and -0.0 are equal.
    """
    return _slot_tables(requests, statistics, tuple([math.copysign(1.0, request.empty) for request in requests]))


@lru_cache(maxsize=1024)
def _slot_tables(
    requests: tuple[StatisticRequest, ...], statistics: tuple[Statistic, ...], _signs: tuple[float, ...]
) -> tuple[tuple[Integers, Floats], ...]:
    waiting = [(row, request) for row, request in enumerate(requests) if request.statistic in statistics]
    tables = []
    while waiting:
        slots, empty = np.full(len(statistics), -1, dtype=np.int64), np.full(len(statistics), np.nan)
        left = []
        for row, request in waiting:
            which = statistics.index(request.statistic)
            if slots[which] >= 0:
                left.append((row, request))
            else:
                slots[which], empty[which] = row, request.empty
        waiting = left
        tables.append((slots, empty))
    return tuple(tables)
