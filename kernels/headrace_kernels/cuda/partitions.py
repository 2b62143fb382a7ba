"""Cut a table that does not fit the device as a whole: rows of neighbouring keys, in order, on the device."""

from __future__ import annotations

import numpy as np

from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.scan import n_tiles, prefix_sums
from headrace_kernels.cuda.source import Source

SOURCE = Source("partitions")


def select_rows(codes: DeviceArray, kept: DeviceArray | None, low: int, n_keys: int) -> tuple[DeviceArray, DeviceArray]:
    """Rows whose key lies in [low, low + n_keys), ascending.

    Complexity: O(n); reads codes and flags twice (10 bytes a row) and writes 8 bytes a row that takes part. Waits once
    for the device, to know how many there are.

    Args:
        codes: int32[n_rows], key of each row, or -1 for none: the rows without a key are those from low -1, 1 key.
        kept: bool[n_rows], rows that take part; None for all.
        low: first key.
        n_keys: number of keys.

    Returns:
        int32[n_selected] rows, and their keys.
    """
    count = len(codes)
    totals = device.empty(n_tiles(count), np.uint64)
    SOURCE.launch_blocks("count_selected", n_tiles(count), codes, kept, low, n_keys, count, totals)
    offsets = prefix_sums(totals.view(np.int64))
    n_selected = int(device.get(offsets[n_tiles(count) :])[0])
    rows, selected = device.empty(n_selected, np.int32), device.empty(n_selected, np.int32)
    SOURCE.launch_blocks(
        "write_selected", n_tiles(count), codes, kept, low, n_keys, count, offsets, rows, selected
    )  # fmt: skip
    return rows, selected
