"""NaN as null, for columns that are declared so. One thread a value; 9 or 10 bytes a value are moved."""

from __future__ import annotations

import numpy as np

from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source

SOURCE = Source("nulls")


def known_values(values: DeviceArray, valid: DeviceArray | None) -> DeviceArray:
    """Which values are neither null nor NaN: bool[n]. Complexity: O(n).

    Args:
        values: float64[n].
        valid: bool[n], False = null; None where nothing is null.
    """
    known = device.empty(len(values), np.bool_)
    SOURCE.launch("mark_known", len(values), values, valid, len(values), known)
    return known
