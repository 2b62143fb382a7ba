"""Events, queries and windows for the cases: random keys and times with ties, gaps, nulls and unfriendly numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import EventTimes, GroupedEvents, GroupedQueries, ValueColumn, WindowFrames
from headrace_kernels.cpu import frames as cpu_frames
from headrace_kernels.cpu import grouping as cpu_grouping
from headrace_kernels.cuda import device
from headrace_kernels.dtypes import Positions

_T = TypeVar("_T")
_HOUR = 3_600_000_000
UNFRIENDLY = np.array([0.0, -0.0, 1.0, -1.0, 0.1, 15.5, 1e9, -1e9, 5e-324, np.nan, np.inf, -np.inf])


@dataclass(frozen=True)
class World:
    """A bucket's events and queries on the CPU.

    Attributes:
        events: grouped events.
        queries: grouped queries, some of keys without events.
        codes: int32[n], keys of the rows before grouping.
        times: of those rows.
    """

    events: GroupedEvents
    queries: GroupedQueries
    codes: npt.NDArray[np.int32]
    times: EventTimes

    def frames(self, width_us: int, *, extra: bool = False) -> WindowFrames:
        """Windows [q - width, q); with `extra`, some queries count one event more."""
        last = cpu_frames.bound_visible(self.events, self.queries)
        first = cpu_frames.bound_since(self.events, self.queries, self.queries.time - width_us, last)
        own: Positions = np.zeros(0, dtype=np.int64)
        if extra and len(self.events.time):
            own = np.full(len(first), -1, dtype=np.int64)  # an event of the key that the window does not hold
            ends = self.events.groups.starts[1:][self._key_of_queries()]
            own[last < ends] = last[last < ends]
            own[::3] = -1
        moves, ends_of = cpu_frames.window_moves(self.events, self.queries, first, last, own)
        return WindowFrames(self.events, self.queries, first, last, own, moves, ends_of)

    def _key_of_queries(self) -> Positions:
        return np.repeat(np.arange(len(self.queries.groups.starts) - 1), np.diff(self.queries.groups.starts))


def make_world(rng: np.random.Generator, size: int, *, ordered: bool = True, n_keys: int | None = None) -> World:
    """A world of about so many events and half as many queries.

    Args:
        rng: random numbers.
        size: events.
        ordered: False for events that become known late, some after later ones.
        n_keys: keys; about one for ten events by default, sizes as unequal as in life.
    """
    keys = n_keys or max(1, size // 10)
    codes = np.minimum(rng.zipf(1.3, size) - 1, keys - 1).astype(np.int32) if size else np.zeros(0, np.int32)
    time = rng.integers(0, 40 * 24, size) * _HOUR + rng.integers(0, 3, size)  # many ties
    known = None if ordered else time + rng.integers(0, 72, size) * _HOUR
    times = EventTimes(time, known, 0 if ordered else 1000, 1, None)
    rows = np.arange(size, dtype=np.int32)
    events = cpu_grouping.group_events(rows, codes, 0, keys, times)
    n_asking = size // 2
    asking = rng.integers(0, keys, n_asking).astype(np.int32)
    at = rng.integers(0, 41 * 24, n_asking) * _HOUR
    queries = cpu_grouping.group_queries(np.arange(n_asking, dtype=np.int32), asking, 0, keys, at)
    return World(events, queries, codes, times)


def without_events(world: World) -> World:
    """The same queries of the same keys, and nothing that happened."""
    nothing, keys = np.zeros(0, dtype=np.int32), len(world.queries.groups.starts) - 1
    times = EventTimes(np.zeros(0, dtype=np.int64), None, 0, 1, None)
    return World(cpu_grouping.group_events(nothing, nothing, 0, keys, times), world.queries, nothing, times)


def make_column(
    rng: np.random.Generator, size: int, *, kind: str = "floats", nulls: bool = False, bits: int = 8
) -> ValueColumn:
    """Values by place.

    Args:
        rng: random numbers.
        size: values.
        kind: `floats` (ordinary), `unfriendly` (NaN, infinities, zeros of both signs among them), or `integers`.
        nulls: whether some are null.
        bits: binary digits kept after the point in sums.
    """
    valid = rng.random(size) < 0.8 if nulls else None
    if kind == "integers":
        return ValueColumn(rng.integers(-1000, 1000, size), valid, 0)
    values = np.round(rng.normal(0.0, 100.0, size), 2)
    if kind == "unfriendly" and size:
        places = rng.random(size) < 0.15
        values[places] = rng.choice(UNFRIENDLY, int(places.sum()))
    return ValueColumn(values, valid, bits)


def to_device(value: _T) -> _T:
    """The same object with its arrays copied to the current device."""
    if isinstance(value, np.ndarray):
        copied: Any = device.put(value)
        return copied  # type: ignore[no-any-return]
    if is_dataclass(value) and not isinstance(value, type):
        changed = {each.name: to_device(getattr(value, each.name)) for each in fields(value)}
        return replace(value, **changed)
    return value
