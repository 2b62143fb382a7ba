"""Worlds for the window benchmarks: parts with keys of their own, made on threads, the same for every run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from window_work import World

DAYS = 60
_START_US = 1_400_000_000_000_000
_CHUNK = 2_000_000


def make_parts(n_events: int, n_keys: int, n_parts: int, empty: Callable[..., Any] = np.empty) -> list[World]:
    """Events of 60 days in parts that share no key, as a build cuts them; views of one table that they make together.

    Values are multiples of 1/64; some keys have far more events than others. Codes count within a part.

    Args:
        n_events: of all parts.
        n_keys: of all parts.
        n_parts: how many.
        empty: makes the arrays, in pinned memory perhaps.
    """
    codes, time, value = empty(n_events, np.int32), empty(n_events, np.int64), empty(n_events, np.float64)
    keys = max(n_keys // n_parts, 1)
    edges = np.linspace(0, n_events, n_parts + 1).astype(np.int64)
    chunks = [
        (begin, min(begin + _CHUNK, int(edges[part + 1])))
        for part in range(n_parts)
        for begin in range(int(edges[part]), int(edges[part + 1]), _CHUNK)
    ]

    def fill(chunk: tuple[int, int]) -> None:
        here, size = slice(*chunk), chunk[1] - chunk[0]
        random = np.random.default_rng([11, chunk[0]])
        codes[here] = random.random(size) ** 2 * keys
        time[here] = _START_US + random.integers(0, DAYS * 86_400_000_000, size)
        value[here] = np.round(random.lognormal(2, 1, size) * 64) / 64

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fill, chunks))
    slices = [slice(int(begin), int(end)) for begin, end in pairwise(edges)]
    return [World(codes[here], time[here], value[here], keys) for here in slices]


def whole(parts: list[World]) -> World:
    """One table of all parts, with keys of their own again: host arrays."""
    codes = np.concatenate([part.codes + number * part.n_keys for number, part in enumerate(parts)], dtype=np.int32)
    time = np.concatenate([part.time for part in parts])
    value = np.concatenate([part.value for part in parts])
    return World(codes, time, value, sum(part.n_keys for part in parts))
