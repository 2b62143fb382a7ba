"""Encodings of numbers: rescaled, clipped, filled, or the number of the bin they fall into."""

from __future__ import annotations

import math

import numpy as np

from headrace_kernels.dtypes import Floats, Matrix


def write_rescaled(values: Floats, scaling: Floats, slot: int, out: Matrix) -> None:
    """Write `(min(max(value, low), high) - center) / scale`, rounded to float32 once.

    Args:
        values: float64[n_rows], C-contiguous; NaN = missing, Inf is a value.
        scaling: float64[5]: what stands for a missing value (NaN leaves it missing), low, high, center, scale. -Inf and
            Inf as bounds clip nothing.
        slot: the matrix's column.
        out: float32[n_rows, n_features], C-contiguous.
    """
    fill, low, high, center, scale = scaling.tolist()
    for row, value in enumerate(values.tolist()):
        known = fill if math.isnan(value) else value
        kept = low if known < low else min(known, high)
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            out[row, slot] = np.float32((kept - center) / scale)


def write_bins(values: Floats, edges: Floats, missing: float, slot: int, out: Matrix) -> None:
    """Write how many edges are not greater than each value.

    Args:
        values: float64[n_rows], C-contiguous; NaN = missing, Inf is a value.
        edges: float64[n_edges], strictly ascending, finite.
        missing: what stands for a missing value, usually NaN.
        slot: the matrix's column.
        out: float32[n_rows, n_features], C-contiguous.
    """
    for row, value in enumerate(values.tolist()):
        out[row, slot] = missing if math.isnan(value) else sum(1 for edge in edges.tolist() if edge <= value)
