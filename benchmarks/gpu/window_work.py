"""18 window features of one world, by the kernels of either backend: the same calls, arrays of the host or the device.

count, sum, mean, std, min, max over 1 h, 24 h and 7 d, as `benchmarks/bench_windows.py` asks for them of the executor.
On the CPU rows are cut into buckets that fit the cache and done on threads, as the executor does it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from headrace_kernels.arrays import (
    EventTimes,
    GroupedEvents,
    GroupedQueries,
    Statistic,
    StatisticRequest,
    ValueColumn,
    WindowFrames,
)

HOUR_US = 3_600_000_000
WIDTHS_US = (HOUR_US, 24 * HOUR_US, 168 * HOUR_US)
SUMS = tuple(StatisticRequest(each) for each in (Statistic.COUNT, Statistic.SUM, Statistic.MEAN, Statistic.STD))
EXTREMES = tuple(StatisticRequest(each) for each in (Statistic.MIN, Statistic.MAX))
N_EACH = len(SUMS) + len(EXTREMES)
BITS = 30
"""The resolution of columns that declare none: 2**-30."""
BYTES_AN_EVENT = 600
"""Device memory that an event may take, with everything that is made of it on the way."""
_BUCKET_ROWS = 16_384
_MODULES = ("grouping", "frames", "summed_columns", "moments", "extremes", "rows")


@dataclass(frozen=True)
class World:
    """Events that are their own queries.

    Attributes:
        codes: int32[n], keys.
        time: int64[n], microseconds UTC.
        value: float64[n].
        n_keys: number of keys.
    """

    codes: Any
    time: Any
    value: Any
    n_keys: int


class Kernels:
    """The modules of a backend, and how it takes memory.

    Args:
        backend: `cpu` or `cuda`.

    Raises:
        ModuleNotFoundError: it lacks a kernel.
    """

    grouping: ModuleType
    frames: ModuleType
    summed_columns: ModuleType
    moments: ModuleType
    extremes: ModuleType
    rows: ModuleType

    def __init__(self, backend: str) -> None:
        for name in _MODULES:
            setattr(self, name, importlib.import_module(f"headrace_kernels.{backend}.{name}"))
        self.empty: Callable[..., Any] = np.empty
        self.put: Callable[[Any], Any] = np.asarray
        if backend == "cuda":
            from headrace_kernels.cuda import device

            self.empty, self.put = device.empty, device.put


@dataclass(frozen=True)
class Prepared:
    """Events in order, with the values that statistics read."""

    events: GroupedEvents
    column: Any


def prepare(kernels: Kernels, rows: Any, world: World, low: int) -> Prepared:
    """Order the events by key and time, and their values with them.

    Args:
        kernels: of a backend.
        rows: int32[n], the rows of `world.value` that these events are.
        world: their codes and times, [n] each; the values of all rows.
        low: the least key.
    """
    times = EventTimes(world.time, None, 0, 1, None)
    events = kernels.grouping.group_events(rows, world.codes, low, world.n_keys, times)
    values = kernels.empty(len(rows), np.float64)
    kernels.rows.take_rows(world.value, events.groups.rows, values)
    return Prepared(events, kernels.summed_columns.SummedColumn(ValueColumn(values, None, BITS)))


def aggregate(kernels: Kernels, prepared: Prepared, widths: Sequence[int]) -> Any:
    """Statistics of every event's windows: float32[6 a width, n], in the events' order."""
    events = prepared.events
    queries = GroupedQueries(events.groups, events.time)
    none = kernels.put(np.zeros(0, dtype=np.int64))
    block = kernels.empty((N_EACH * len(widths), len(events.time)), np.float32)
    last = kernels.frames.bound_visible(events, queries)
    for number, width in enumerate(widths):
        first = kernels.frames.bound_since(events, queries, queries.time - width, last)
        window = WindowFrames(events, queries, first, last, none, none, none)
        line = number * N_EACH
        kernels.moments.aggregate_moments(window, prepared.column, SUMS, block[line : line + len(SUMS)])
        kernels.extremes.aggregate_extremes(window, prepared.column, EXTREMES, block[line + len(SUMS) : line + N_EACH])
    return block


def write_features(kernels: Kernels, rows: Any, world: World, low: int, widths: Sequence[int], out: Any) -> None:
    """All of it: `out` is float32[n_rows, 6 a width], in the rows' own order."""
    prepared = prepare(kernels, rows, world, low)
    block = aggregate(kernels, prepared, widths)
    slots = kernels.put(np.arange(len(block), dtype=np.int64))
    kernels.rows.write_rows(block, prepared.events.groups.rows, slots, out)


def compute_on_cpu(world: World, widths: Sequence[int], threads: int, out: Any) -> None:
    """The same in buckets of keys on threads, the largest first."""
    from headrace_kernels.cpu import partitions

    kernels = Kernels("cpu")
    with ThreadPoolExecutor(threads) as pool:

        def for_each(work: Callable[[int], None], count: int) -> None:
            list(pool.map(work, range(count)))

        counts = partitions.count_rows(world.codes, world.n_keys, for_each)
        layout = partitions.lay_out([counts], world.n_keys, _BUCKET_ROWS)
        buckets, (time,) = partitions.cut_rows(world.codes, counts, layout, [world.time], for_each)

        def compute(bucket: int) -> None:
            here, low = buckets.of(bucket), int(layout.lows[bucket])
            mine = World(buckets.codes[here], time[here], world.value, int(layout.lows[bucket + 1]) - low)
            write_features(kernels, buckets.rows[here], mine, low, widths, out)

        largest_first = np.argsort(-np.diff(buckets.starts), kind="stable")
        list(pool.map(compute, (int(bucket) for bucket in largest_first)))
