"""Scan kernels beside the device's copy bandwidth: bytes that the algorithm must move, over the time it takes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from device_facts import copy_bytes_a_second
from findings import Finding, Setting, equal, measured, missing
from timing import seconds_each

from headrace_kernels.arrays import ValueColumn
from headrace_kernels.cuda import device, scan

BAR = 50.0
PREFIX_BYTES = 8 + 8 + 8
"""An integer is read for its tile's total, read again, and its sum is written."""
SUMMED_BYTES = 8 + 8 + 8 + 8 + 16
"""A value is read to see what the column holds, and twice more; sums in 64 bits and of squares in 128 are written."""


def run(setting: Setting) -> Iterator[Finding]:
    """Prefix sums of integers, and the sums of a value column."""
    count = min(setting.size(100_000_000, 4_000_000, 5000), device.current().free_bytes // 200)
    integers = np.random.default_rng(5).integers(-1000, 1000, count)
    items = device.put(integers)
    found = device.get(scan.prefix_sums(items))
    right = np.array_equal(found[1:], np.cumsum(integers)) and found[0] == 0
    yield equal("prefix sums: bits", "" if right else "sums differ", f"{count:,} integers")
    if setting.emulated:
        yield missing("scan bandwidth", "the emulated device has none")
        return
    bandwidth = copy_bytes_a_second()
    yield _share("prefix sums", count, PREFIX_BYTES, lambda: scan.prefix_sums(items), bandwidth)
    try:
        columns = importlib.import_module("headrace_kernels.cuda.summed_columns")
    except ModuleNotFoundError as error:
        yield missing("sums of a column", f"no module {error.name}")
        return
    values = device.put(integers.astype(np.float64))
    column = ValueColumn(values, None, 10)
    sums = partial(_sums, columns.SummedColumn, column)
    yield _share("sums of a column", count, SUMMED_BYTES, sums, bandwidth)


def _sums(make: Callable[[ValueColumn], Any], column: ValueColumn) -> object:
    return make(column).sums(squared=True)


def _share(name: str, count: int, size_bytes: int, run: Callable[[], object], bandwidth: float) -> Finding:
    seconds = seconds_each(run, rounds=10)
    moved = count * size_bytes
    detail = (
        f"{moved / 1e9:.1f} GB ({size_bytes} bytes an item, {count:,} items) in {seconds * 1e3:.2f} ms; "
        f"a copy moves {bandwidth / 1e9:,.0f} GB/s"
    )
    return measured(f"scan bandwidth, {name}", 100 * moved / seconds / bandwidth, "% of a copy's", detail, bar=BAR)
