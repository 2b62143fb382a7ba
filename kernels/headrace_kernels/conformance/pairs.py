"""Cases of pairs: columns of every kind, windows inside and across samples, sums that leave the exact range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.conformance.case import Case
from headrace_kernels.conformance.worlds import World, make_column, make_world, to_device
from headrace_kernels.cpu import pairs as cpu
from headrace_kernels.cuda import device
from headrace_kernels.cuda import pairs as cuda

_HOUR = 3_600_000_000
_TREND = [StatisticRequest(Statistic.TREND, 0.0, -7.0)]
_PAIRS = [StatisticRequest(each, 0.0, -7.0) for each in (Statistic.CORR, Statistic.COV, Statistic.SLOPE)]


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Ordered and not, with and without own events; then values and times that are too large for exact sums."""
    for ordered in (True, False):
        world = make_world(rng, size, ordered=ordered, n_keys=1 + size // 200)
        label = f"{size:,}, {'ordered' if ordered else 'unordered'}"
        short, long = world.frames(24 * _HOUR), world.frames(2000 * _HOUR, extra=True)
        left = make_column(rng, size, kind="unfriendly", nulls=True)
        yield _case(f"unfriendly and whole, {label}", long, (left, make_column(rng, size, kind="integers")))
        left = make_column(rng, size, nulls=True, bits=20)
        yield _case(f"ordinary, {label}", short, (left, make_column(rng, size)), dtype=np.float32)
        yield _case(f"trend, {label}", long, (left, None))
        yield from _refused(rng, world, label)


def _refused(rng: np.random.Generator, world: World, label: str) -> Iterator[Case]:
    size, frames = len(world.events.time), world.frames(240 * _HOUR, extra=True)
    ordinary = make_column(rng, size)
    many = ValueColumn(rng.integers(-(2**62), 2**62, size), rng.random(size) < 0.9, 0)
    few = ValueColumn(np.where(rng.random(size) < 0.01, 2**61, 3), None, 0)
    beyond = ValueColumn(np.where(rng.random(size) < 0.02, -1e30, 1.5), rng.random(size) < 0.9, 40)
    constant = ValueColumn(np.full(size, 2**62), None, 0)
    yield _case(f"many large, {label}", frames, (many, ordinary))
    yield _case(f"misfits, {label}", frames, (ordinary, beyond))
    if world.events.ordered:
        yield _case(f"few large, {label}", frames, (ordinary, few))
        yield _case(f"constant large, {label}", frames, (constant, ordinary))
    slow = replace(world.events, time=world.events.time * 600_000, visible_at=world.events.visible_at * 600_000)
    queries = replace(world.queries, time=world.queries.time * 600_000)
    yield _case(f"times far apart, {label}", replace(frames, events=slow, queries=queries), (ordinary, None))


def _case(
    label: str,
    frames: WindowFrames,
    columns: tuple[ValueColumn, ValueColumn | None],
    dtype: npt.DTypeLike = np.float64,
) -> Case:
    requests = _PAIRS if columns[1] is not None else _TREND
    shape = (len(requests), len(frames.first))

    def expected() -> list[npt.NDArray[Any]]:
        out = np.empty(shape, dtype=dtype)
        cpu.aggregate_pairs(frames, *columns, requests, out)
        return [out]

    def found() -> list[npt.NDArray[Any]]:
        out = device.empty(shape, dtype)
        left, right = map(to_device, columns)
        assert left is not None
        cuda.aggregate_pairs(to_device(frames), left, right, requests, out)
        return [device.get(out)]

    return Case("aggregate_pairs", label, expected, found)
