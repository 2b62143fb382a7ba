"""Stable radix sort of 64-bit numbers, each holding a 32-bit one, on the device.

Least digit first, at most 8 bits a pass. A pass counts the digits of tiles of 4,096 items, sums the counts over
[digit][tile], and moves the items; it moves 32 bytes an item (8 to count, 12 read and 12 written), and 1 KB a tile for
the counts. Working memory: 12 bytes an item beside what is sorted.

Reference: N. Satish, M. Harris, M. Garland, "Designing Efficient Sorting Algorithms for Manycore GPUs", IPDPS 2009.
"""

from __future__ import annotations

import numpy as np

from headrace_kernels.cuda import device, scan
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source

SOURCE = Source("radix")
_TILE = 4096
_THREADS = 512
_DIGIT_BITS = 8
MOST_ITEMS = 2**31 - 1
"""Items that can be sorted: places are 32-bit numbers."""


def sort_pairs(
    keys: DeviceArray, held: DeviceArray | None, first_bit: int, end_bit: int
) -> tuple[DeviceArray, DeviceArray | None]:
    """Sort by the bits [first_bit, end_bit); items that are equal there keep their order.

    Complexity: O(n * bits / 8).

    Args:
        keys: uint64[n], at most 2^31 - 1 of them; overwritten.
        held: int32[n], overwritten; None where each item holds its own number.
        first_bit: lowest bit that counts.
        end_bit: one above the highest.

    Returns:
        The keys, and what they hold: None still means their own numbers.
    """
    count, bits = len(keys), end_bit - first_bit
    if count < 2 or bits <= 0:
        return keys, held
    passes = -(-bits // _DIGIT_BITS)
    width = -(-bits // passes)  # digits of about the same width: fewer of them make longer runs
    counts = device.empty((1 << width) * -(-count // _TILE), np.uint32)
    other_keys = device.empty(count, np.uint64)
    other_held = None
    for shift in range(first_bit, end_bit, width):
        n_digits = 1 << min(width, end_bit - shift)
        if other_held is None:
            other_held = device.empty(count, np.int32)
        _move(keys, held, (shift, n_digits), counts, (other_keys, other_held))
        keys, other_keys = other_keys, keys
        held, other_held = other_held, held
    return keys, held


def _move(
    keys: DeviceArray,
    held: DeviceArray | None,
    digits: tuple[int, int],
    counts: DeviceArray,
    into: tuple[DeviceArray, DeviceArray],
) -> None:
    """One pass over the digits (shift, number of them)."""
    count = len(keys)
    tiles = -(-count // _TILE)
    used = digits[1] * tiles
    SOURCE.launch_blocks("count_digits", tiles, keys, count, *digits, counts, threads=_THREADS)
    offsets = None
    if used > scan.TILE:
        totals = device.empty(scan.n_tiles(used), np.uint64)
        SOURCE.launch_blocks("total_counts", len(totals), counts, used, totals)
        offsets = scan.prefix_sums(totals.view(np.int64))
    SOURCE.launch_blocks("scan_counts", scan.n_tiles(used), counts, used, offsets)
    SOURCE.launch_blocks("move_digits", tiles, keys, held, count, *digits, counts, *into, threads=_THREADS)
