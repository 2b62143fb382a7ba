"""Encodings of numbers, one pass each, without arrays in between; see the reference."""

from __future__ import annotations

import math

import numpy as np

from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Floats, Matrix


def write_rescaled(values: Floats, scaling: Floats, slot: int, out: Matrix) -> None:
    """Write clipped, shifted and divided values; see the reference. Complexity: O(n)."""
    with np.errstate(over="ignore", invalid="ignore"):  # without the JIT, NumPy warns where IEEE arithmetic goes on
        _write_rescaled(values, scaling, slot, out)


@kernel
def _write_rescaled(values: Floats, scaling: Floats, slot: int, out: Matrix) -> None:
    fill, low, high, center, scale = scaling[0], scaling[1], scaling[2], scaling[3], scaling[4]
    for row in range(len(values)):
        value = values[row]
        if math.isnan(value):
            value = fill
        if value < low:
            value = low
        elif value > high:
            value = high
        out[row, slot] = np.float32((value - center) / scale)


@kernel
def write_bins(values: Floats, edges: Floats, missing: float, slot: int, out: Matrix) -> None:
    """Write the number of each value's bin; see the reference. Complexity: O(n log edges)."""
    for row in range(len(values)):
        value = values[row]
        if math.isnan(value):
            out[row, slot] = missing
            continue
        first, last = 0, len(edges)
        while first < last:
            middle = (first + last) // 2
            if edges[middle] <= value:
                first = middle + 1
            else:
                last = middle
        out[row, slot] = first
