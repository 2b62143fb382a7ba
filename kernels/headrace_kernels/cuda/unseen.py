"""Events that a window's query does not see yet, found on the device without looking at all others of the window.

A tree with 32 children a node keeps the last time of visibility below each node; a search skips what is all visible. It
costs O(unseen events + log(window)); the tree takes a quarter of a byte an event and reads 8 to be built.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source

SOURCE = Source("unseen")
_LEVELS = 4
_FAN = 32


def latest_visible(visible_at: DeviceArray) -> DeviceArray:
    """Last times of visibility of every 32, 1,024, 32,768 and 1,048,576 places, level after level.

    Args:
        visible_at: int64[n_events].

    Returns:
        int64[nodes], as `unseen.cuh` takes it.
    """
    sizes = [len(visible_at)]
    for _ in range(_LEVELS):
        sizes.append(-(-sizes[-1] // _FAN))
    latest, begin, below = device.empty(sum(sizes[1:]), np.int64), 0, visible_at
    for size, blocks in pairwise(sizes):
        level = latest[begin : begin + blocks]
        SOURCE.launch("latest_visible", blocks, below, size, blocks, level)
        begin, below = begin + blocks, level
    return latest
