"""A table's columns as NumPy arrays, checked against the plan and converted once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.data.types import conform
from headrace_kernels.cpu import grouping
from headrace_kernels.dtypes import MAX_TIME_US, Flags, Positions, Times

_Value = TypeVar("_Value")


class TableColumns:
    """Columns of one table, as the plan declares them.

    Invariants: every column has the plan's type; a converted column is never changed. Safe to use from several threads.
    """

    def __init__(self, name: str, table: pa.Table, dtypes: Mapping[str, str]) -> None:
        """Check that the table has the columns, with the declared types or narrower ones.

        Raises:
            InvalidInputError: a column is missing or has another type.
        """
        for column in dtypes:
            if column not in table.column_names:
                raise InvalidInputError(
                    f"table '{name}' lacks column '{column}', which the plan reads",
                    hint=did_you_mean(column, table.column_names),
                )
        self.name = name
        self.n_rows = int(table.num_rows)
        self._table = conform(table, dtypes)
        self._converted: dict[tuple[str, str], Any] = {}
        self._lock = threading.RLock()

    def arrow(self, column: str) -> pa.ChunkedArray:
        """The column as Arrow holds it."""
        return self._table.column(column)

    def times(self, column: str) -> tuple[Times, Flags | None]:
        """A timestamp column: int64[n_rows] in microseconds UTC (0 under a null), and which rows are not null.

        Raises:
            InvalidInputError: a time lies more than 73,000 years from 1970.
        """
        return self._once("times", column, self._times)

    def time_order(self, column: str) -> Positions:
        """Rows by a timestamp column, equal times in their order: int64[n_rows]; null is 1970."""
        return self._once("order", column, lambda name: grouping.order_times(self.times(name)[0]))

    def numbers(self, column: str) -> tuple[npt.NDArray[Any], Flags | None]:
        """A numeric column: float64[n_rows] or int64[n_rows] (0 under a null), and which rows are not null.

        The flags are None where nothing is null. Booleans become 0 and 1.
        """
        return self._once("numbers", column, self._numbers)

    def floats32(self, column: str) -> npt.NDArray[np.float32]:
        """A numeric column as float32[n_rows], rounded once; null becomes NaN."""
        return as_float32(self.arrow(column))

    def _once(self, kind: str, column: str, convert: Callable[[str], _Value]) -> _Value:
        with self._lock:
            if (kind, column) not in self._converted:
                self._converted[kind, column] = convert(column)
            value: _Value = self._converted[kind, column]
            return value

    def _times(self, column: str) -> tuple[Times, Flags | None]:
        times, valid = _split(pc.cast(self.arrow(column), pa.int64()))
        if len(times) and not -MAX_TIME_US < int(times.min()) <= int(times.max()) < MAX_TIME_US:
            raise InvalidInputError(
                f"column '{column}' of table '{self.name}' holds a time beyond 73,000 years from 1970"
            )
        return times, valid

    def _numbers(self, column: str) -> tuple[npt.NDArray[Any], Flags | None]:
        values = self.arrow(column)
        return _split(pc.cast(values, pa.int64()) if pa.types.is_boolean(values.type) else values)


def as_float32(values: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float32]:
    """Numbers or booleans as float32[n], rounded once; null becomes NaN."""
    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.int64())
    numbers, valid = _split(values)
    floats = numbers.astype(np.float32)
    if valid is not None:
        floats[~valid] = np.nan
    return floats


def _split(values: pa.ChunkedArray | pa.Array) -> tuple[npt.NDArray[Any], Flags | None]:
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if not array.null_count:
        return writable(array), None
    return writable(pc.fill_null(array, 0)), writable(pc.is_valid(array))


def writable(array: pa.Array) -> npt.NDArray[Any]:
    """The array's values in memory of their own: kernels are compiled once, for writable arrays."""
    values: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values if values.flags.writeable else values.copy()
