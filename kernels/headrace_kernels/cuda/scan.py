"""Exclusive prefix sums on the device: integers modulo 2**64 or 2**128, so that no order of addition matters.

Reference: M. Harris, S. Sengupta, J. D. Owens, "Parallel Prefix Sum (Scan) with CUDA", GPU Gems 3, 2007, chapter 39.
"""

from __future__ import annotations

import numpy as np

from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source

SOURCE = Source("scan")
TILE = 2048
"""Items of a tile, as in common.cuh."""


def n_tiles(count: int) -> int:
    """Tiles that hold so many items."""
    return -(-count // TILE)


def prefix_sums(items: DeviceArray) -> DeviceArray:
    """Sums of the items before each place, and of all at the end, modulo 2**64. Complexity: O(n).

    Args:
        items: int64[n], or bool[n], whose True count 1.

    Returns:
        int64[n + 1].
    """
    count = len(items)
    before = device.empty(count + 1, np.int64)
    if not count:
        return device.zeros(1, np.int64)
    kind = "flags" if items.dtype == np.bool_ else "i64"
    offsets = None
    if count > TILE:
        totals = device.empty(n_tiles(count), np.uint64)
        SOURCE.launch_blocks(f"total_{kind}", n_tiles(count), items, count, totals)
        offsets = prefix_sums(totals.view(np.int64)).view(np.uint64)
    SOURCE.launch_blocks(f"scan_{kind}", n_tiles(count), items, count, offsets, before)
    return before


def pair_offsets(totals: DeviceArray) -> DeviceArray:
    """Sums of the pairs before each place, modulo 2**128.

    Args:
        totals: uint64[n, 2], low and high half of each.

    Returns:
        uint64[n, 2].
    """
    count = len(totals)
    before = device.empty((count, 2), np.uint64)
    offsets = None
    if count > TILE:
        coarse = device.empty((n_tiles(count), 2), np.uint64)
        SOURCE.launch_blocks("total_pairs", n_tiles(count), totals, count, coarse)
        offsets = pair_offsets(coarse)
    SOURCE.launch_blocks("scan_pairs", n_tiles(count), totals, count, offsets, before)
    return before
