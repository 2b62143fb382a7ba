"""Cases of rows ordered by key and time, and of the radix sort below."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import EventTimes, GroupedEvents, GroupedQueries, Groups
from headrace_kernels.conformance.case import Arrays, Case
from headrace_kernels.conformance.worlds import make_world, to_device
from headrace_kernels.cpu import grouping as on_cpu
from headrace_kernels.cuda import device, radix
from headrace_kernels.cuda import grouping as on_device

_FAR = 2**61 - 1


@dataclass(frozen=True)
class _Rows:
    """Rows of a table before they are ordered, and when they happened."""

    rows: npt.NDArray[np.int32]
    codes: npt.NDArray[np.int32]
    low: int
    n_keys: int
    times: EventTimes


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Keys and times in order and not, close and far, with ties of every kind; numbers of 64 bits, skewed and not."""
    for label, rows in _tables(rng, size):
        yield _case("group_events", f"{label}, {size:,}", rows)
        if rows.times.known is None and rows.times.sequence is None:
            yield _case("group_queries", f"{label}, {size:,}", rows)
            yield _case("group_rows", f"{label}, {size:,}", rows)
    yield _asked(f"{size:,}", make_world(rng, size).events)
    for label, count, first, end in (
        ("all bits", size, 0, 64),
        ("9 bits", 3 * size, 17, 26),
        ("8 bits", 9 * size, 0, 8),
    ):
        keys = rng.integers(0, 2**64, count, dtype=np.uint64) >> rng.integers(0, 60, count).astype(np.uint64)
        held = rng.permutation(count).astype(np.int32) if label == "9 bits" else None
        yield _sorted(f"{label}, {count:,}", keys, (first, end), held)


def _tables(rng: np.random.Generator, size: int) -> Iterator[tuple[str, _Rows]]:
    world = make_world(rng, size)
    keys = len(world.events.groups.starts) - 1
    rows = np.sort(rng.choice(4 * size + 1, size, replace=False)).astype(np.int32)
    yield "random", _Rows(rows, world.codes + np.int32(7), 7, keys, world.times)
    time = world.times.time // 3_600_000_000  # few bits: the tests run every pass thread by thread
    times = replace(world.times, time=time)
    plain = _Rows(rows, world.codes + np.int32(7), 7, keys, times)
    late = replace(times, known=time + rng.integers(-5, 5, size), delay_us=3, lag_us=0)
    sequence = rng.integers(-3, 3, size)
    same = EventTimes(np.full(size, 5), None, 0, 1, None)
    yield "times in order", replace(plain, times=replace(times, time=np.sort(time)))
    yield "all in order", replace(plain, codes=np.sort(plain.codes), times=replace(times, time=np.sort(time)))
    yield "whole seconds", replace(plain, times=replace(times, time=time * 1_000_000 + 5))
    yield "keys without rows", replace(plain, low=0, n_keys=keys + 300)
    yield "one key", replace(plain, codes=np.zeros(size, np.int32), low=0, n_keys=1)
    yield "one time", replace(plain, times=same)
    yield "known late", replace(plain, times=late)
    yield "a sequence", replace(plain, times=replace(times, sequence=sequence))
    yield "known late, with a sequence", replace(plain, times=replace(late, sequence=sequence))
    yield "known in order", replace(plain, times=replace(late, known=time.copy(), sequence=np.arange(size)))
    far = rng.integers(-_FAR, _FAR, size)
    far[: min(size, 3)] = np.array([_FAR, -_FAR, _FAR])[: min(size, 3)]
    spread = EventTimes(far, None, 0, 1, None)
    yield "times too far apart for one number", replace(plain, n_keys=keys + 9, times=spread)
    yield (
        "too far apart, in order",
        replace(plain, codes=np.sort(plain.codes), n_keys=keys + 9, times=replace(spread, time=np.sort(far))),
    )
    ties = replace(spread, time=np.where(far > 0, _FAR, -_FAR), known=np.flip(far) // 2, sequence=sequence)
    yield "too far apart, ties", replace(plain, n_keys=keys + 9, times=ties)


def _case(kernel: str, label: str, rows: _Rows) -> Case:
    def run(module: Any, put: Callable[[Any], Any]) -> list[Any]:
        given = (put(rows.rows), put(rows.codes), rows.low, rows.n_keys)
        if kernel == "group_rows":
            return _parts(module.group_rows(*given))
        times = put(rows.times)
        return _parts(getattr(module, kernel)(*given, times.time if kernel == "group_queries" else times))

    return Case(
        kernel, label,
        expected=lambda: run(on_cpu, lambda value: value),
        found=lambda: [device.get(each) for each in run(on_device, to_device)],
    )  # fmt: skip


def _asked(label: str, events: GroupedEvents) -> Case:
    return Case(
        "ask_at_events", label,
        expected=lambda: [*_parts(events.groups), events.time - 7],
        found=lambda: [device.get(each) for each in _parts(on_device.ask_at_events(to_device(events), -7))],
    )  # fmt: skip


def _parts(result: Groups | GroupedEvents | GroupedQueries) -> list[Any]:
    if isinstance(result, Groups):
        return [result.starts, result.rows]
    if isinstance(result, GroupedQueries):
        return [*_parts(result.groups), result.time]
    return [*_parts(result.groups), result.time, result.visible_at, np.array([result.ordered])]


def _sorted(
    label: str, keys: npt.NDArray[np.uint64], bits: tuple[int, int], held: npt.NDArray[np.int32] | None
) -> Case:
    def expected() -> Arrays:
        wanted = (keys >> np.uint64(bits[0])) & np.uint64(2 ** (bits[1] - bits[0]) - 1)
        order = np.argsort(wanted, kind="stable").astype(np.int32)
        return [keys[order], order if held is None else held[order]]

    def found() -> Arrays:
        given = None if held is None else device.put(held)
        sorted_keys, ranks = radix.sort_pairs(device.put(keys), given, *bits)
        back = np.arange(len(keys), dtype=np.int32) if ranks is None else device.get(ranks)
        return [device.get(sorted_keys), back]

    return Case("radix_sort", label, expected, found)
