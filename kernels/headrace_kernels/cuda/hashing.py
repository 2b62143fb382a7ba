"""XXH64 of integers and strings on the device, a thread a value; see the reference for the algorithm."""

from __future__ import annotations

import numpy as np

from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source

SOURCE = Source("hashing")


def hash_integers(values: DeviceArray, seed: int) -> DeviceArray:
    """Hash each integer; see the reference.

    Complexity: O(n). Moves 16 bytes a value.

    Args:
        values: int64[n].
        seed: in [0, 2**64).

    Returns:
        uint64[n].
    """
    hashes = device.empty(len(values), np.uint64)
    SOURCE.launch("hash_integers", len(values), values, len(values), seed, hashes)
    return hashes


def hash_strings(offsets: DeviceArray, data: DeviceArray, seed: int) -> DeviceArray:
    """Hash each string; see the reference.

    Complexity: O(n + bytes). Moves 16 bytes a string beside its own: neighbouring threads read neighbouring strings, so
    that short ones share lines of the cache.

    Args:
        offsets: int64[n + 1], ascending, where each string's bytes begin; they need not begin at 0.
        data: uint8[n_bytes].
        seed: in [0, 2**64).

    Returns:
        uint64[n].
    """
    count = len(offsets) - 1
    hashes = device.empty(count, np.uint64)
    SOURCE.launch("hash_strings", count, offsets, count, data, len(data), seed, hashes)
    return hashes
