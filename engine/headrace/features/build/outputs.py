"""A matrix as a file: NumPy, Arrow or Parquet by the suffix, written and read back chunk by chunk.

`.npy` is float32 row-major, to be mapped by a trainer; `.arrow` and `.parquet` have a column a feature and, before
them, `row_id` (where the feature set declares one) and `query_time`. NaN = missing in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headrace.core.errors import CorruptedError, InvalidInputError, did_you_mean

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

SUFFIXES = (".npy", ".arrow", ".parquet")
ROW_ID, QUERY_TIME = "row_id", "query_time"
_TYPE = np.dtype("<f4")
_BLOCK_ROWS = 65_536
_AGAIN = "build it again with --rebuild"


def check_suffix(path: Path) -> None:
    """Refuse a file whose suffix names no format that is written here.

    Raises:
        InvalidInputError: it does not.
    """
    if path.suffix not in SUFFIXES:
        raise InvalidInputError(
            f"output '{path}' does not say its format by its suffix; allowed: {', '.join(SUFFIXES)}",
            hint=did_you_mean(path.suffix, SUFFIXES),
        )


def keeps_labels(suffix: str) -> bool:
    """Whether the format has room for `row_id` and `query_time`."""
    return suffix != ".npy"


class MatrixWriter:
    """Writes a matrix to one file, from its first row to its last."""

    def __init__(self, path: Path, suffix: str, names: Sequence[str], labels: pa.Schema | None) -> None:
        """Prepare; `labels` describes the columns before the features, for the formats that keep them.

        Raises:
            InvalidInputError: a feature has the name of a label.
        """
        clash = set(labels.names if labels is not None else ()) & set(names)
        if clash:
            taken = min(clash)
            raise InvalidInputError(
                f"a feature is named '{taken}', as a column beside the features is", hint="use .npy"
            )
        self._path = path
        self._suffix = suffix
        self._names = tuple(names)
        self._labels = labels
        self._stack = ExitStack()
        self._append: Callable[[npt.NDArray[np.float32], pa.Table | None], object]

    def open(self, rows: int) -> MatrixWriter:
        """Create the file, for a matrix of so many rows.

        Raises:
            OSError: it cannot be created.
        """
        if self._suffix == ".npy":
            file = self._stack.enter_context(self._path.open("wb"))
            header = {"descr": _TYPE.str, "fortran_order": False, "shape": (rows, len(self._names))}
            np.lib.format.write_array_header_1_0(file, header)
            self._append = lambda values, _labels: file.write(values.data)
            return self
        import pyarrow as pa

        fields = [*(self._labels or ()), *((name, pa.float32()) for name in self._names)]
        schema = pa.schema(fields)
        if self._suffix == ".arrow":
            sink = self._stack.enter_context(pa.OSFile(str(self._path), "wb"))
            arrow = self._stack.enter_context(pa.ipc.new_file(sink, schema))
            self._append = lambda values, labels: arrow.write_table(self._table(schema, values, labels))
        else:
            import pyarrow.parquet as pq

            parquet = self._stack.enter_context(pq.ParquetWriter(self._path, schema))
            self._append = lambda values, labels: parquet.write_table(self._table(schema, values, labels))
        return self

    def write(self, values: npt.NDArray[np.float32], labels: pa.Table | None) -> None:
        """Write the next rows.

        Args:
            values: float32[n, n_features], C-contiguous.
            labels: the columns before the features, of the same rows.

        Raises:
            OSError: the disk is full.
        """
        if len(values):
            self._append(values, labels)

    def _table(self, schema: pa.Schema, values: npt.NDArray[np.float32], labels: pa.Table | None) -> pa.Table:
        import pyarrow as pa

        before = list(labels.columns) if labels is not None else []
        columns = [pa.array(np.ascontiguousarray(values[:, slot])) for slot in range(values.shape[1])]
        return pa.table([*before, *columns], schema=schema)

    def close(self) -> None:
        """Finish the file."""
        self._stack.close()


class StoredColumns:
    """Columns of a matrix that was written earlier, read in the order of its rows."""

    def __init__(self, path: Path, names: Sequence[str], taken: Sequence[str], slots: Sequence[int]) -> None:
        """Prepare to read.

        Args:
            path: a file of `MatrixWriter`.
            names: all its features.
            taken: those to read.
            slots: where they go in the new matrix.
        """
        self._path = path
        self._names = tuple(names)
        self._taken = tuple(taken)
        self._slots = np.asarray(slots)
        self._blocks = self._read()
        self._block = np.empty((0, len(self._taken)), dtype=np.float32)

    def write_into(self, out: npt.NDArray[np.float32], first: int) -> None:
        """Copy the columns of rows [first, first + len(out)), bit for bit; calls go from the first row to the last.

        Raises:
            CorruptedError: the file holds fewer rows, or cannot be read.
        """
        written = 0
        while written < len(out):
            if not len(self._block):
                self._block = self._next(first + written)
            count = min(len(self._block), len(out) - written)
            out[written : written + count, self._slots] = self._block[:count]
            self._block = self._block[count:]
            written += count

    def _next(self, row: int) -> npt.NDArray[np.float32]:
        try:
            return next(self._blocks)
        except StopIteration:
            raise CorruptedError(f"{self._path} ends before row {row:,}", hint=_AGAIN) from None
        except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors
            raise CorruptedError(f"{self._path} cannot be read: {error}", hint=_AGAIN) from error

    def _read(self) -> Iterator[npt.NDArray[np.float32]]:
        if self._path.suffix == ".npy":
            mapped = np.load(self._path, mmap_mode="r")
            places = [self._names.index(name) for name in self._taken]
            for first in range(0, len(mapped), _BLOCK_ROWS):
                yield np.asarray(mapped[first : first + _BLOCK_ROWS, places])
        elif self._path.suffix == ".arrow":
            import pyarrow as pa

            with pa.memory_map(str(self._path)) as file, pa.ipc.open_file(file) as reader:
                for index in range(reader.num_record_batches):
                    yield self._matrix(reader.get_batch(index))
        else:
            import pyarrow.parquet as pq

            with pq.ParquetFile(self._path) as stored:
                for batch in stored.iter_batches(batch_size=_BLOCK_ROWS, columns=list(self._taken)):
                    yield self._matrix(batch)

    def _matrix(self, batch: pa.RecordBatch) -> npt.NDArray[np.float32]:
        block = np.empty((batch.num_rows, len(self._taken)), dtype=np.float32)
        for slot, name in enumerate(self._taken):
            block[:, slot] = batch.column(batch.schema.get_field_index(name)).to_numpy(zero_copy_only=False)
        return block
