"""Cases of first and last values, values before the last, differences, ratios and ages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.conformance.case import Arrays, Case
from headrace_kernels.conformance.moments import SETTINGS, settle
from headrace_kernels.conformance.worlds import to_device
from headrace_kernels.cpu.ends import aggregate_ends as on_cpu
from headrace_kernels.cuda import device
from headrace_kernels.cuda.ends import aggregate_ends as on_device

_SINCE = StatisticRequest(Statistic.SINCE_LAST, 60_000_000.0, empty=-0.0)
_REQUESTS = (
    StatisticRequest(Statistic.FIRST), StatisticRequest(Statistic.LAST, empty=-0.0), StatisticRequest(Statistic.DIFF),
    StatisticRequest(Statistic.RATIO, empty=1.0), StatisticRequest(Statistic.LAG, 1.0), _SINCE,
    StatisticRequest(Statistic.LAG, 3.0, 0.0), StatisticRequest(Statistic.LAG, 500.0), StatisticRequest(Statistic.LAST),
)  # fmt: skip


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Every setting, events without values, nothing but nulls, and integers over the whole range."""
    for setting in SETTINGS:
        frames, column, label = settle(rng, size, setting)
        yield _case(label, frames, column, _REQUESTS, setting.dtype)
        yield _case(f"no values, {label}", frames, None, (_SINCE,), setting.dtype)
        wide = rng.integers(-(2**63), 2**63, size), None if setting.extra else rng.random(size) < 0.5
        yield _case(f"integers of 64 bits, {label}", frames, ValueColumn(*wide, 0), _REQUESTS, np.float64)
        nulls = ValueColumn(column.values, np.zeros(size, np.bool_), column.bits)
        yield _case(f"nulls alone, {label}", frames, nulls, _REQUESTS, np.float32)


def _case(
    label: str, frames: WindowFrames, column: ValueColumn | None, requests: tuple[StatisticRequest, ...],
    dtype: npt.DTypeLike,
) -> Case:  # fmt: skip
    shape = len(requests), len(frames.first)

    def expected() -> Arrays:
        out = np.empty(shape, dtype)
        on_cpu(frames, column, requests, out)
        return [out]

    def found() -> Arrays:
        out = device.empty(shape, dtype)
        on_device(to_device(frames), None if column is None else to_device(column), requests, out)
        return [device.get(out)]

    return Case("aggregate_ends", label, expected, found)
