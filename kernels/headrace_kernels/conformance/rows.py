"""Cases of rows that are moved: every type, rows in any order, blocks narrower and wider than a tile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace_kernels.conformance.case import Arrays, Case
from headrace_kernels.conformance.worlds import UNFRIENDLY
from headrace_kernels.cpu import rows as on_cpu
from headrace_kernels.cuda import device
from headrace_kernels.cuda import rows as on_device


def cases(rng: np.random.Generator, size: int) -> Iterator[Case]:
    """Copies by row, and columns written into a matrix of which some slots stay as they were."""
    numbers = _numbers(rng, size)
    for dtype in (np.float64, np.float32, np.int64, np.int32, np.int8, np.bool_):
        whole = dtype in {np.int64, np.int32, np.int8, np.bool_}
        values = (rng.integers(-100, 100, size) if whole else numbers).astype(dtype)
        for position in (np.int64, np.int32):
            rows = rng.integers(0, max(size, 1), 2 * size).astype(position)
            yield _take(f"{np.dtype(dtype)} by {np.dtype(position)}, {size:,}", values, rows)
    order = rng.permutation(size)
    for n_columns in (0, 1, 18, 32, 33, 70):
        for inside in (np.float64, np.float32):
            for outside in (np.float64, np.float32):
                block = _numbers(rng, n_columns * size).reshape(n_columns, size).astype(inside)
                slots = rng.permutation(n_columns + 3)[:n_columns]
                label = f"{n_columns} columns of {np.dtype(inside)} to {np.dtype(outside)}, {size:,}"
                rows = order if outside is np.float64 or n_columns < 32 else order.astype(np.int32)
                yield _write(label, block, rows, slots, np.zeros((size + 1, n_columns + 3), outside))


def _numbers(rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
    return np.where(rng.random(size) < 0.3, rng.choice(UNFRIENDLY, size), rng.normal(0.0, 100.0, size))


def _take(label: str, values: npt.NDArray[Any], rows: npt.NDArray[Any]) -> Case:
    def expected() -> Arrays:
        out = np.empty(len(rows), dtype=values.dtype)
        on_cpu.take_rows(values, rows.astype(np.int64), out)
        return [out]

    def found() -> Arrays:
        out = device.empty(len(rows), values.dtype)
        on_device.take_rows(device.put(values), device.put(rows), out)
        return [device.get(out)]

    return Case("take_rows", label, expected, found)


def _write(
    label: str, block: npt.NDArray[Any], rows: npt.NDArray[Any], slots: npt.NDArray[Any], blank: npt.NDArray[Any]
) -> Case:
    def expected() -> Arrays:
        out = blank.copy()
        on_cpu.write_rows(block, rows.astype(np.int64), slots, out)
        return [out]

    def found() -> Arrays:
        out = device.put(blank)
        on_device.write_rows(device.put(block), device.put(rows), device.put(slots), out)
        return [device.get(out)]

    return Case("write_rows", label, expected, found)
