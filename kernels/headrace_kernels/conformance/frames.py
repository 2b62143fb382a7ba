"""Cases of window bounds: many small keys, one huge one, keys that nobody asks for, visibility in order and not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from headrace_kernels.arrays import Groups
from headrace_kernels.conformance.case import Arrays, Case
from headrace_kernels.conformance.worlds import World, make_world, to_device, without_events
from headrace_kernels.cpu import frames as on_cpu
from headrace_kernels.cuda import device
from headrace_kernels.cuda import frames as on_device
from headrace_kernels.dtypes import Codes, Starts

_HOUR = 3_600_000_000
_EVER = 2**62
_LONGEST_WALK = 5000
"""Where visibility is not ordered, some bounds walk back event by event: not over a whole table."""


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Windows from nothing to everything, bounds that fall, sessions, counts."""
    for label, n_keys, ordered in (
        ("many keys", None, True), ("one key", 1, True), ("as many keys as rows", size + 1, True),
        ("late events", None, False), ("late events of one key", 1, False),
    ):  # fmt: skip
        world = make_world(rng, size, ordered=ordered, n_keys=n_keys)
        yield from _bounds(rng, world, f"{label}, {size:,}")
        yield _own(f"{label}, {size:,}", world)
    yield from _bounds(rng, without_events(make_world(rng, size)), f"no events, {size:,}")
    places = np.where(rng.random(size) < 0.2, rng.integers(-1, 1000, size), -1)
    yield Case(
        "latest_before", f"{size:,}",
        expected=lambda: [np.maximum.accumulate(np.concatenate([[-1], places]))[:-1]],
        found=lambda: [device.get(on_device.latest_before(device.put(places)))],
    )  # fmt: skip


def _bounds(rng: np.random.Generator, world: World, label: str) -> Iterator[Case]:
    events, queries = world.events, world.queries
    last = on_cpu.bound_visible(events, queries)
    yield _case("bound_visible", label, world)
    yield Case(
        "keys_of", label,
        expected=lambda: [_keys(queries.groups.starts)],
        found=lambda: [device.get(on_device.keys_of(device.put(queries.groups.starts), len(queries.time)))],
    )  # fmt: skip
    falling = queries.time - rng.integers(0, 900, len(last)) * _HOUR
    for what, oldest in (("hour", queries.time - _HOUR), ("ever", np.full(len(last), -_EVER)), ("falling", falling)):
        yield _case("bound_since", f"{what}, {label}", world, oldest, last)
    for width in (0, _HOUR, 7 * 24 * _HOUR, 2**60):
        for inclusive in (True, False):
            yield _width(f"{width} {inclusive}, {label}", world, width, inclusive=inclusive)
    whole = events.ordered or len(events.time) <= _LONGEST_WALK
    for count in (1, 3, 10**9)[: 3 if whole else 2]:
        yield _case("bound_newest", f"{count}, {label}", world, count, last)
    for gap in (0, 2 * _HOUR, 10 * 24 * _HOUR)[: 3 if whole else 2]:
        yield _case("bound_session", f"{gap}, {label}", world, gap, last)


def _case(kernel: str, label: str, world: World, *more: Any) -> Case:
    def run(module: Any, put: Callable[[Any], Any]) -> Any:
        return getattr(module, kernel)(put(world.events), put(world.queries), *map(put, more))

    return Case(
        kernel, label,
        expected=lambda: [run(on_cpu, lambda value: value)],
        found=lambda: [device.get(run(on_device, to_device))],
    )  # fmt: skip


def _keys(starts: Starts) -> Codes:
    return np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))


def _own(label: str, world: World) -> Case:
    """Every other row of the table is an event; of the queries some are events, some other rows, some beyond them."""
    grouped, queries = world.events.groups, world.queries
    events = replace(world.events, groups=Groups(grouped.starts, 2 * grouped.rows))
    first_row, n_rows = 7 * len(grouped.rows) // 4, 2 * len(grouped.rows)

    def expected() -> Arrays:
        places = np.full(2 * n_rows + 1, -1)
        places[events.groups.rows] = np.arange(len(events.time))
        return [places[queries.groups.rows + first_row]]

    def found() -> Arrays:
        return [device.get(on_device.own_events(to_device(events), to_device(queries), first_row, n_rows))]

    return Case("own_events", label, expected, found)


def _width(label: str, world: World, width_us: int, *, inclusive: bool) -> Case:
    last = on_cpu.bound_visible(world.events, world.queries)
    oldest = world.queries.time - width_us + (not inclusive)

    def found() -> Arrays:
        given = (to_device(world.events), to_device(world.queries), width_us, device.put(last))
        return [device.get(on_device.bound_width(*given, inclusive=inclusive))]

    return Case("bound_width", label, lambda: [on_cpu.bound_since(world.events, world.queries, oldest, last)], found)
