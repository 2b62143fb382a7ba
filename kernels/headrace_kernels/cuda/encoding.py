"""Encodings of numbers on the device, one pass each, without arrays in between; see the reference.

A column of a row-major matrix is written: a value costs 8 bytes read and one 32-byte sector of the matrix.
"""

from __future__ import annotations

from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source

SOURCE = Source("encoding")


def write_rescaled(values: DeviceArray, scaling: DeviceArray, slot: int, out: DeviceArray) -> None:
    """Write clipped, shifted and divided values; see the reference. Complexity: O(n).

    Args:
        values: float64[n_rows]; NaN = missing, Inf is a value.
        scaling: float64[5]: fill, low, high, center, scale.
        slot: the matrix's column.
        out: float32 or float64[n_rows, n_features]; results are rounded to float32 in both.
    """
    kernel = f"rescale_f{8 * out.dtype.itemsize}"
    SOURCE.launch(kernel, len(values), values, len(values), scaling, slot, out.shape[1], out)


def write_bins(values: DeviceArray, edges: DeviceArray, missing: float, slot: int, out: DeviceArray) -> None:
    """Write the number of each value's bin; see the reference. Complexity: O(n log edges).

    Args:
        values: float64[n_rows]; NaN = missing, Inf is a value.
        edges: float64[n_edges], strictly ascending, finite.
        missing: what stands for a missing value, usually NaN.
        slot: the matrix's column.
        out: float32 or float64[n_rows, n_features].
    """
    kernel = f"bin_f{8 * out.dtype.itemsize}"
    SOURCE.launch(kernel, len(values), values, len(values), edges, len(edges), missing, slot, out.shape[1], out)
