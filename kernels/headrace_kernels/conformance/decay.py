"""Cases of decayed statistics: ties in runs of every length, windows that cut runs, weights from 0 to infinite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.conformance.case import Case
from headrace_kernels.conformance.worlds import make_column, make_world, to_device
from headrace_kernels.cpu import decay as cpu
from headrace_kernels.cpu import frames as cpu_frames
from headrace_kernels.cuda import decay as cuda
from headrace_kernels.cuda import device

_HOUR = 3_600_000_000
_REQUESTS = [
    StatisticRequest(statistic, half_life, empty)
    for half_life, empty in ((24.0 * _HOUR, float("nan")), (3.7, -1.0), (1e15, 0.0))
    for statistic in (Statistic.DECAYED_MEAN, Statistic.DECAYED_COUNT, Statistic.DECAYED_SUM)
]


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Every kind of column, ordered and not, with and without own events; one key whose events are all simultaneous."""
    for ordered in (True, False):
        world = make_world(rng, size, ordered=ordered)
        for extra in (False, True):
            frames = world.frames(72 * _HOUR, extra=extra)
            label = f"{size:,}, {'ordered' if ordered else 'unordered'}{', own events' if extra else ''}"
            for kind, nulls in (("floats", False), ("unfriendly", True), ("integers", True)):
                column = make_column(rng, len(world.events.time), kind=kind, nulls=nulls)
                yield _case(f"{kind}, {label}", frames, column, np.float64)
            yield _case(f"count of all, {label}", frames, None, np.float32)
    world = make_world(rng, size, n_keys=1)
    events = replace(world.events, time=world.events.time // (200 * _HOUR) * (200 * _HOUR))
    events = replace(events, visible_at=events.time + 1)
    last = cpu_frames.bound_visible(events, world.queries)
    for newest in (5, 40):
        first = cpu_frames.bound_newest(events, world.queries, newest, last)
        frames = replace(world.frames(_HOUR), events=events, first=first, last=last)
        column = make_column(rng, size, kind="unfriendly")
        yield _case(f"long runs, the newest {newest}, {size:,}", frames, column, np.float32)


def _case(label: str, frames: WindowFrames, column: ValueColumn | None, dtype: npt.DTypeLike) -> Case:
    shape = (len(_REQUESTS), len(frames.first))

    def expected() -> list[npt.NDArray[Any]]:
        out = np.empty(shape, dtype=dtype)
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            cpu.aggregate_decayed(frames, column, _REQUESTS, out)
        return [out]

    def found() -> list[npt.NDArray[Any]]:
        out = device.empty(shape, dtype)
        cuda.aggregate_decayed(to_device(frames), to_device(column), _REQUESTS, out)
        return [device.get(out)]

    return Case("aggregate_decayed", label, expected, found)
