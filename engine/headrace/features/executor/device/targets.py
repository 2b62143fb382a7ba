"""Where a device's results go: a matrix of its own that comes down once, or block by block into the host's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

import numpy as np

from headrace.features.executor.device.blocks import ChunkRows
from headrace.features.executor.key_groups import Target
from headrace_kernels.arrays import Groups
from headrace_kernels.cuda import device, rows
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.dtypes import Positions


class DeviceTarget(Protocol):
    """Takes blocks of results.

    Attributes:
        n_features: slots from here on are float64 and no columns of the matrix.
    """

    n_features: int

    def write(self, block: DeviceArray, here: ChunkRows, groups: Groups, slots: Sequence[int]) -> None:
        """Take float[n_slots, n_queries] of a chunk's queries."""
        ...


class BlocksDown:
    """Every block comes down to the host, which writes it into its rows."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.n_features = target.matrix.shape[1]

    def write(self, block: DeviceArray, here: ChunkRows, groups: Groups, slots: Sequence[int]) -> None:
        """Copy a block down and write it."""
        asked = device.get(here.asking.table_rows(groups).rows)
        self._target.write(device.get(block), asked, slots)


class MatrixUp:
    """The whole matrix, on one device, for as long as the run lasts or the caller keeps it.

    Args:
        target: the host's matrix, of the same shape.

    Raises:
        OutOfMemoryError: it does not fit.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.n_features = target.matrix.shape[1]
        self.matrix = device.empty(target.matrix.shape, np.float32)
        self._extra = device.empty(target.extra.shape, np.float64)

    def write(self, block: DeviceArray, here: ChunkRows, groups: Groups, slots: Sequence[int]) -> None:
        """Write a block into the device's matrix."""
        asked = here.asking.table_rows(groups).rows
        lines = enumerate(slots)
        for inside, run in groupby(lines, key=lambda line: line[1] < self.n_features):
            chosen = list(run)
            first, shift = chosen[0][0], 0 if inside else self.n_features
            columns = device.put(np.array([slot - shift for _, slot in chosen], dtype=np.int64))
            part = block[first : first + len(chosen)]
            rows.write_rows(part, asked, columns, self.matrix if inside else self._extra)

    def download(self) -> None:
        """Copy everything down, rows and slots that were not written included."""
        device.get(self.matrix, self._target.matrix)
        device.get(self._extra, self._target.extra)

    def upload(self, slots: Sequence[int], asked: Positions | None = None) -> None:
        """Copy columns up that the host has written, for all rows or for some."""
        if not len(slots) or not len(self._target.matrix):
            return
        chosen = np.arange(len(self._target.matrix)) if asked is None else asked
        block = np.ascontiguousarray(self._target.matrix[chosen][:, list(slots)].T)
        columns = device.put(np.array(slots, dtype=np.int64))
        rows.write_rows(device.put(block), device.put(chosen), columns, self.matrix)
