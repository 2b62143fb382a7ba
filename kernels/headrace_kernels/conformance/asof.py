"""Cases of as-of lookups: with and without a limit, states known late, columns with gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import EventTimes
from headrace_kernels.conformance.case import Arrays, Case
from headrace_kernels.conformance.worlds import UNFRIENDLY, World, make_world, to_device, without_events
from headrace_kernels.cpu import asof as on_cpu
from headrace_kernels.cpu import grouping
from headrace_kernels.cuda import asof as on_device
from headrace_kernels.cuda import device
from headrace_kernels.dtypes import MAX_TIME_US, Positions

_HOUR = 3_600_000_000


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """States that hold for ever, for hours, or not at all."""
    worlds = {"many keys": make_world(rng, size), "one key": make_world(rng, size, n_keys=1)}
    worlds["states that always held"] = _timeless(worlds["many keys"])
    worlds["no states"] = without_events(worlds["many keys"])
    for label, world in worlds.items():
        for tolerance in (-1, 0, 30 * _HOUR):
            yield _match(f"{label}, tolerance {tolerance}, {size:,}", world, tolerance)
    values = np.where(rng.random(size) < 0.5, rng.choice(UNFRIENDLY, size), rng.normal(0.0, 1e-3, size))
    matches = rng.integers(0, max(size, 1), size)
    matches[::3] = -1
    for dtype in (np.float64, np.float32):
        yield _take(f"{np.dtype(dtype)}, {size:,}", values, matches, np.dtype(dtype))


def _timeless(world: World) -> World:
    rows = np.arange(len(world.codes), dtype=np.int32)
    times = EventTimes(np.full(len(rows), -MAX_TIME_US), None, 0, 5, None)
    events = grouping.group_events(rows, world.codes, 0, len(world.events.groups.starts) - 1, times)
    return World(events, world.queries, world.codes, times)


def _match(label: str, world: World, tolerance_us: int) -> Case:
    def found() -> Arrays:
        return [device.get(on_device.match_states(to_device(world.events), to_device(world.queries), tolerance_us))]

    return Case(
        "match_states", label, lambda: [on_cpu.match_states(world.events, world.queries, tolerance_us)], found
    )  # fmt: skip


def _take(label: str, values: npt.NDArray[np.float64], matches: Positions, dtype: np.dtype[Any]) -> Case:
    def expected() -> Arrays:
        out = np.empty(len(matches), dtype=dtype)
        on_cpu.take_matches(values, matches, out)
        return [out]

    def found() -> Arrays:
        out = device.empty(len(matches), dtype)
        on_device.take_matches(device.put(values), device.put(matches), out)
        return [device.get(out)]

    return Case("take_matches", label, expected, found)
