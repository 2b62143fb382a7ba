"""Cases of quantiles: equal values, infinities, NaN, nulls, own events at either end, one key and many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.conformance.case import Case
from headrace_kernels.conformance.worlds import make_column, make_world, to_device
from headrace_kernels.cpu import quantiles as cpu
from headrace_kernels.cuda import device
from headrace_kernels.cuda import quantiles as cuda

_HOUR = 3_600_000_000
_REQUESTS = [
    StatisticRequest(Statistic.QUANTILE, probability, -7.0) for probability in (0.5, 0.0, 1.0, 0.1, 1 / 3, 0.999)
]
_EXTREME = np.array([np.inf, -np.inf, 1.7e308, -1.7e308, 5e-324, -0.0, 0.0, 1.0])


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Columns of every kind in windows with and without own events, with ordered visibility and without."""
    many = 1 + size // 100
    late = make_world(rng, size, n_keys=many, ordered=False)
    for kind in ("unfriendly", "integers"):
        column = make_column(rng, size, kind=kind, nulls=True)
        yield _case(f"late, {kind}, {many} keys, {size:,}", [late.frames(240 * _HOUR, extra=True)], column, np.float64)
    for n_keys in (many, 1):
        world = make_world(rng, size, n_keys=n_keys)
        columns = {
            "ordinary": make_column(rng, size, nulls=True),
            "extreme": ValueColumn(rng.choice(_EXTREME, size), rng.random(size) < 0.7, 8),
            "all null": ValueColumn(np.full(size, np.nan), np.zeros(size, np.bool_), 8),
        }
        if n_keys > 1:
            columns = {"unfriendly": make_column(rng, size, kind="unfriendly", nulls=True)}
        both = [world.frames(width * _HOUR, extra=extra) for width, extra in ((240, True), (480, False))]
        for name, column in columns.items():
            dtype = np.float32 if name == "ordinary" else np.float64
            yield _case(f"{name}, {n_keys} keys, {size:,}", both[:1] if n_keys == 1 else both, column, dtype)


def _case(label: str, windows: list[WindowFrames], column: ValueColumn, dtype: npt.DTypeLike) -> Case:
    shape = (len(_REQUESTS), len(windows[0].first))

    def expected() -> list[npt.NDArray[Any]]:
        results = [np.empty(shape, dtype=dtype) for _ in windows]
        for frames, out in zip(windows, results, strict=True):
            cpu.aggregate_quantiles(frames, column, _REQUESTS, out)
        return results

    def found() -> list[npt.NDArray[Any]]:
        results, moved = [device.empty(shape, dtype) for _ in windows], [to_device(each) for each in windows]
        there = to_device(column)
        shared = cuda.index_quantiles(moved[0].events, there) if len(windows) > 1 else None
        for frames, out in zip(moved, results, strict=True):
            cuda.aggregate_quantiles(frames, there, _REQUESTS, out, index=shared)
        return [device.get(each) for each in results]

    return Case("aggregate_quantiles", label, expected, found)
