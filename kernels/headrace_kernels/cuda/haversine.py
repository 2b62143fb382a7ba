"""Great-circle distance on the device; see the reference for the method, its coefficients and its sources."""

from __future__ import annotations

import numpy as np

from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source

SOURCE = Source("haversine")


def haversine_km(lat1: DeviceArray, lon1: DeviceArray, lat2: DeviceArray, lon2: DeviceArray) -> DeviceArray:
    """Great-circle distance of pairs of points; see the reference.

    Complexity: O(n). Moves 40 bytes a pair. NaN, Inf and what is no place give NaN.

    Args:
        lat1: float64[n], degrees, as all four.
        lon1: float64[n].
        lat2: float64[n].
        lon2: float64[n].

    Returns:
        float64[n], kilometres.
    """
    kilometres = device.empty(len(lat1), np.float64)
    SOURCE.launch("haversine_km", len(lat1), lat1, lon1, lat2, lon2, len(lat1), kilometres)
    return kilometres
