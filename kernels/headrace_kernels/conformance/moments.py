"""Cases of counts, sums, means, variances and shares, and of what leaves the exact range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn, WindowFrames
from headrace_kernels.conformance.case import Arrays, Case
from headrace_kernels.conformance.worlds import make_column, make_world, to_device
from headrace_kernels.cpu.moments import aggregate_moments as on_cpu
from headrace_kernels.cpu.scaling import scale_column as scale_on_cpu
from headrace_kernels.cpu.summed_columns import SummedColumn as CpuColumn
from headrace_kernels.cuda import device
from headrace_kernels.cuda.moments import aggregate_moments as on_device
from headrace_kernels.cuda.scaling import scale_column as scale_on_device
from headrace_kernels.cuda.summed_columns import SummedColumn

_HOUR = 3_600_000_000
_COUNTS = (StatisticRequest(Statistic.COUNT), StatisticRequest(Statistic.COUNT_NON_NULL))
_SUMS = (
    StatisticRequest(Statistic.SUM, empty=-0.0), StatisticRequest(Statistic.MEAN), StatisticRequest(Statistic.VAR),
    StatisticRequest(Statistic.STD, empty=-1.0),
)  # fmt: skip
_TWICE = (StatisticRequest(Statistic.SUM, empty=0.0), StatisticRequest(Statistic.MEAN, empty=7.5))
_SHARES = (
    StatisticRequest(Statistic.SHARE, 0.0), StatisticRequest(Statistic.SHARE, -12.5, 0.0),
    StatisticRequest(Statistic.SHARE, 1e300), StatisticRequest(Statistic.SHARE, -1e300),
    StatisticRequest(Statistic.SHARE, -(2.0**63)),
)  # fmt: skip
_EVERYTHING = (*_COUNTS, *_SUMS, *_SHARES, *_TWICE)


@dataclass(frozen=True)
class _Setting:
    kind: str = "floats"
    nulls: bool = False
    ordered: bool = True
    extra: bool = False
    n_keys: int | None = None
    hours: int = 24
    dtype: npt.DTypeLike = np.float32


SETTINGS = (
    _Setting(),
    _Setting(n_keys=1, hours=720, dtype=np.float64),
    _Setting(nulls=True, hours=1),
    _Setting(nulls=True, extra=True, hours=720),
    _Setting("unfriendly", extra=True, dtype=np.float64),
    _Setting("unfriendly", nulls=True, hours=3, dtype=np.float64),
    _Setting("integers", n_keys=3, dtype=np.float64),
    _Setting("integers", nulls=True, extra=True),
    _Setting("unfriendly", nulls=True, ordered=False, extra=True, dtype=np.float64),
    _Setting(ordered=False, hours=100),
)
"""Columns, keys and windows that every kind of statistic is asked for."""


def settle(rng: np.random.Generator, size: int, setting: _Setting) -> tuple[WindowFrames, ValueColumn, str]:
    """Windows and values of a setting, and what to call it."""
    world = make_world(rng, size, ordered=setting.ordered, n_keys=setting.n_keys)
    frames = world.frames(setting.hours * _HOUR, extra=setting.extra)
    column = make_column(rng, size, kind=setting.kind, nulls=setting.nulls)
    return frames, column, f"{setting}, {size:,}"


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Every setting, columns that are not read, and values too large for exact sums."""
    for setting in SETTINGS:
        frames, column, label = settle(rng, size, setting)
        yield _case(label, frames, column, _EVERYTHING, setting.dtype)
    frames, column, label = settle(rng, size, SETTINGS[0])
    yield _case(f"events alone, {label}", frames, None, _COUNTS[:1], np.float32)
    yield _case(f"no variances, {label}", frames, column, (*_TWICE, *_COUNTS), np.float64)
    ends = ValueColumn(rng.choice([-(2**63), 0, 2**63 - 1], size), None, 0)
    yield _case(f"shares of the largest integers, {label}", frames, ends, _SHARES, np.float64)
    yield from _beyond(rng, size)


def _beyond(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Values and sums at the edge of the exact range, some of them in no window."""
    for ordered in (True, False):
        frames = make_world(rng, size, ordered=ordered, n_keys=1 + size // 50).frames(100 * _HOUR, extra=True)
        valid = rng.random(size) < 0.9
        for exponent in (50.0, 56.0, 64.0) if ordered else (56.0, 64.0):
            values = np.where(rng.random(size) < 0.02, 2.0**exponent, 1.0) * rng.choice([-1.0, 1.0], size)
            column = ValueColumn(values, valid, 4)
            label = f"up to 2**{exponent:g} of ordered={ordered}, {size:,}"
            yield _case(f"sums of {label}", frames, column, _SUMS, np.float64)
            yield _spreads(f"spreads of {label}", frames, column)
        integers = ValueColumn(rng.integers(-(2**63), 2**63, size) >> rng.integers(0, 30), None, 0)
        yield _case(f"sums of integers of ordered={ordered}, {size:,}", frames, integers, _SUMS, np.float64)
        yield _spreads(f"spreads of integers of ordered={ordered}, {size:,}", frames, integers)

    frames = make_world(rng, size, n_keys=1).frames(1000 * _HOUR)
    counts = np.minimum(np.arange(len(frames.first)), size)
    late = replace(frames.queries, time=np.full_like(counts, 2**60))  # sees everything
    frames = replace(frames, queries=late, first=np.zeros_like(counts), last=counts)
    edge = ValueColumn(np.where(np.arange(size) % 2, 0, 2**58), None, 0)  # 32 of them are too many, 31 are not
    yield _case(f"sums up to the edge, {size:,}", frames, edge, _SUMS, np.float64)
    yield _spreads(f"spreads up to the edge, {size:,}", frames, ValueColumn(2 * edge.values, None, 0))


def _case(
    label: str, frames: WindowFrames, column: ValueColumn | None, requests: tuple[StatisticRequest, ...],
    dtype: npt.DTypeLike,
) -> Case:  # fmt: skip
    shape = len(requests), len(frames.first)

    def expected() -> Arrays:
        out = np.empty(shape, dtype)
        on_cpu(frames, None if column is None else CpuColumn(column), requests, out)
        return [out]

    def found() -> Arrays:
        out = device.empty(shape, dtype)
        on_device(to_device(frames), None if column is None else SummedColumn(to_device(column)), requests, out)
        return [device.get(out)]

    return Case("aggregate_moments", label, expected, found)


def _spreads(label: str, frames: WindowFrames, column: ValueColumn) -> Case:
    assert column.valid is None or len(column.valid) == len(column.values)
    kept = np.ones(len(column.values), np.bool_) if column.valid is None else column.valid

    def expected() -> Arrays:
        scaled = scale_on_cpu(column, kept)
        scaled.check_spreads(frames, 1)
        return [scaled.integers]

    def found() -> Arrays:
        scaled = scale_on_device(to_device(column), device.put(kept))
        scaled.check_spreads(to_device(frames), 1)
        return [device.get(scaled.integers)]

    return Case("aggregate_moments", label, expected, found)
