"""Finished pieces of a matrix on disk: rows of some columns, in the order of their positions.

A part is one file: int64[n] row positions, ascending, then float32[n, n_columns], both little-endian. It is renamed
into place whole, so a file that exists is finished, and its size says how many rows it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headrace.core.errors import CorruptedError

if TYPE_CHECKING:
    import numpy.typing as npt

_ROW = np.dtype("<i8")
_VALUE = np.dtype("<f4")


def write_part(path: Path, rows: npt.NDArray[np.int64], values: npt.NDArray[np.float32]) -> None:
    """Write a part and put it in place.

    Args:
        path: the part's file.
        rows: int64[n], ascending positions in the spine.
        values: float32[n, n_columns].

    Raises:
        OSError: the disk is full; nothing is in place then.
    """
    staged = path.with_name(f".{path.name}.partial")
    with staged.open("wb") as file:
        file.write(np.ascontiguousarray(rows, dtype=_ROW).data)
        if values.size:
            file.write(np.ascontiguousarray(values, dtype=_VALUE).data)
    staged.replace(path)


class PartCursor:
    """Reads a part once from its first row to its last, a block at a time; holds no file open in between."""

    def __init__(self, path: Path, n_columns: int, block_rows: int) -> None:
        """Open nothing yet.

        Raises:
            CorruptedError: the file's size does not fit the number of columns.
        """
        width = _ROW.itemsize + n_columns * _VALUE.itemsize
        size = path.stat().st_size
        if size % width:
            raise CorruptedError(f"part {path} has {size:,} bytes, which is no multiple of {width}")
        self._path = path
        self._n_columns = n_columns
        self._block_rows = block_rows
        self._n_rows = size // width
        self._next = 0  # first row of the file that is not in the block
        self._rows = np.empty(0, dtype=_ROW)
        self._values = np.empty((0, n_columns), dtype=_VALUE)

    def take_before(self, stop: int) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        """The rows not yet taken whose position lies before `stop`: pairs of positions and values."""
        taken = []
        while True:
            cut = int(np.searchsorted(self._rows, stop))
            if cut:
                taken.append((self._rows[:cut], self._values[:cut]))
                self._rows, self._values = self._rows[cut:], self._values[cut:]
            if len(self._rows) or self._next == self._n_rows:
                return taken
            self._read_block()

    def _read_block(self) -> None:
        count = min(self._block_rows, self._n_rows - self._next)
        with self._path.open("rb") as file:
            file.seek(self._next * _ROW.itemsize)
            self._rows = np.fromfile(file, _ROW, count)
            values_at = self._n_rows * _ROW.itemsize + self._next * self._n_columns * _VALUE.itemsize
            file.seek(values_at)
            self._values = np.fromfile(file, _VALUE, count * self._n_columns).reshape(count, self._n_columns)
        self._next += count


class PartColumns:
    """The columns of one group of parts, read in the order of the spine's rows."""

    def __init__(self, paths: Sequence[Path], slots: Sequence[int], memory_bytes: int) -> None:
        """Prepare to read.

        Args:
            paths: the group's parts.
            slots: where the group's columns go in the matrix.
            memory_bytes: for blocks of all parts together.
        """
        width = _ROW.itemsize + len(slots) * _VALUE.itemsize
        block_rows = max(256, int(memory_bytes / max(1, len(paths)) / width))
        self._cursors = [PartCursor(path, len(slots), block_rows) for path in paths]
        self._slots = np.asarray(slots)

    def write_into(self, out: npt.NDArray[np.float32], first: int) -> None:
        """Write the group's columns of rows [first, first + len(out)); calls go from the first row to the last.

        Raises:
            CorruptedError: the parts do not hold every row once.
        """
        written = 0
        for cursor in self._cursors:
            for rows, values in cursor.take_before(first + len(out)):
                out[(rows - first)[:, None], self._slots] = values
                written += len(rows)
        if written != len(out):
            raise CorruptedError(
                f"parts hold {written:,} rows where {len(out):,} are due, from row {first:,}",
                hint="remove the .parts folder beside the output and build again",
            )
