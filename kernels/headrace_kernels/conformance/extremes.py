"""Cases of smallest and largest values, short windows and long ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.conformance.case import Arrays, Case
from headrace_kernels.conformance.moments import SETTINGS, settle
from headrace_kernels.conformance.worlds import make_world, to_device
from headrace_kernels.cpu.extremes import aggregate_extremes as on_cpu
from headrace_kernels.cpu.summed_columns import SummedColumn as CpuColumn
from headrace_kernels.cuda import device
from headrace_kernels.cuda.extremes import aggregate_extremes as on_device
from headrace_kernels.cuda.summed_columns import SummedColumn

_HOUR = 3_600_000_000
_MIN, _MAX = StatisticRequest(Statistic.MIN, empty=-0.0), StatisticRequest(Statistic.MAX)
_RANGE = StatisticRequest(Statistic.RANGE, empty=2.5)
_TWICE = StatisticRequest(Statistic.MIN, empty=1.0)


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Every setting, one side alone, a column asked for longer and longer windows, and integers beyond 2**53."""
    for setting in SETTINGS:
        frames, column, label = settle(rng, size, setting)
        yield _case(label, [frames], column, (_MIN, _MAX, _RANGE, _TWICE), setting.dtype)
    world = make_world(rng, size, n_keys=1)
    frames, column, label = settle(rng, size, SETTINGS[0])
    for request in (_MIN, _MAX, _RANGE):
        yield _case(f"{request.statistic.name} alone, {label}", [frames], column, (request,), np.float32)
    longer = [world.frames(hours * _HOUR, extra=True) for hours in (1, 24, 24 * 7, 24 * 41)]
    yield _case(f"longer and longer, {size:,}", longer, column, (_MIN, _MAX), np.float32)
    zeros = ValueColumn(rng.choice([0.0, -0.0], size), None, 0)
    yield _case(f"zeros of both signs, {size:,}", longer[1:2], zeros, (_MIN, _MAX, _RANGE), np.float64)
    for shift in (0, 9, 10, 11):  # 2**63, and to both sides of 2**53
        wide = ValueColumn(rng.integers(-(2**63), 2**63, size) >> shift, rng.random(size) < 0.5, 0)
        yield _case(f"integers of {64 - shift} bits, {size:,}", longer[:3:2], wide, (_MIN, _MAX, _RANGE), np.float64)


def _case(
    label: str, windows: list[WindowFrames], column: ValueColumn, requests: tuple[StatisticRequest, ...],
    dtype: npt.DTypeLike,
) -> Case:  # fmt: skip
    def expected() -> Arrays:
        summed, outs = CpuColumn(column), [np.empty((len(requests), len(each.first)), dtype) for each in windows]
        for frames, out in zip(windows, outs, strict=True):
            on_cpu(frames, summed, requests, out)
        return outs

    def found() -> Arrays:
        summed = SummedColumn(to_device(column))
        outs = [device.empty((len(requests), len(each.first)), dtype) for each in windows]
        for frames, out in zip(windows, outs, strict=True):
            on_device(to_device(frames), summed, requests, out)
        return [device.get(out) for out in outs]

    return Case("aggregate_extremes", label, expected, found)
