"""Cases of rows selected by key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.conformance.case import Arrays, Case
from headrace_kernels.cuda import device, partitions


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Some keys of many, all, none, and the rows that have no key; with rows that take no part."""
    codes = rng.integers(-1, 20, size).astype(np.int32)
    some = rng.random(size) < 0.7
    for label, kept, low, n_keys in (
        ("keys in the middle", None, 5, 7),
        ("keys in the middle, rows left out", some, 5, 7),
        ("all keys", None, 0, 20),
        ("no key of the table", some, 20, 4),
        ("rows without a key", None, -1, 1),
        ("all rows left out", np.zeros(size, dtype=np.bool_), 0, 20),
    ):
        yield _case(f"{label}, {size:,}", codes, kept, (low, n_keys))


def _case(label: str, codes: npt.NDArray[np.int32], kept: npt.NDArray[np.bool_] | None, keys: tuple[int, int]) -> Case:
    def expected() -> Arrays:
        mine = (codes >= keys[0]) & (codes < keys[0] + keys[1])
        rows = np.flatnonzero(mine if kept is None else mine & kept).astype(np.int32)
        return [rows, codes[rows]]

    def found() -> list[npt.NDArray[Any]]:
        flags = None if kept is None else device.put(kept)
        return [device.get(each) for each in partitions.select_rows(device.put(codes), flags, *keys)]

    return Case("select_rows", label, expected, found)
