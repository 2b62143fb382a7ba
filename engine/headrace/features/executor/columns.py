"""A table's columns as NumPy arrays, checked against the plan and converted once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.data.types import conform
from headrace.features.definition.expressions import Column, Expression
from headrace.features.executor.evaluation import evaluate_on_table
from headrace.features.planning.step_format import expression_key
from headrace_kernels.dtypes import MAX_TIME_US, Codes, Flags, Floats, Hashes, Integers, Times

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Categories:
    """Values as small integers.

    Attributes:
        codes: int32[n_rows], place of each row's value among the sorted distinct values; -1 where null.
        values: float64[n_codes], the distinct values, ascending; their codes where they are strings.
        hashes: uint64[n_codes], XXH64 of each.
    """

    codes: Codes
    values: Floats
    hashes: Hashes


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
        self._dtypes = dtypes
        self._table = conform(table, dtypes)
        self._converted: dict[tuple[str, str], Any] = {}
        self._lock = threading.RLock()

    def followed_by(self, other: TableColumns) -> TableColumns:
        """The rows of this table and then those of another one with the same columns."""
        together = pa.concat_tables([self._table, other.only(self._table.column_names)])
        return TableColumns(self.name, together, self._dtypes)

    def only(self, columns: Sequence[str]) -> pa.Table:
        """Some of the columns as a table."""
        return self._table.select(columns)

    def arrow(self, column: str) -> pa.ChunkedArray:
        """The column as Arrow holds it."""
        return self._table.column(column)

    def times(self, column: str) -> tuple[Times, Flags | None]:
        """A timestamp column: int64[n_rows] in microseconds UTC (anything under a null), and which rows are not null.

        Raises:
            InvalidInputError: a time lies more than 73,000 years from 1970.
        """
        return self._once("times", column, lambda: self._times(column))

    def numbers(self, expression: Expression) -> tuple[npt.NDArray[Any], Flags | None]:
        """A value of every row: float64[n_rows] or int64[n_rows] (anything under a null), and which rows are not null.

        The flags are None where nothing is null. Booleans become 0 and 1.
        """
        return self._once("numbers", expression_key(expression), lambda: as_numbers(self._evaluate(expression)))

    def floats(self, column: str) -> Floats:
        """A numeric column as float64[n_rows]; null becomes NaN."""
        return self._once("floats", column, lambda: as_floats(self.arrow(column)))

    def integers(self, column: str) -> Integers:
        """A column of whole numbers or booleans as int64[n_rows]; null is the smallest."""
        return self._once("integers", column, lambda: _integers(self.arrow(column)))

    def flags(self, condition: Expression) -> Flags:
        """Where a condition holds: bool[n_rows]; null is False."""
        return self._once("flags", expression_key(condition), lambda: _flags(self._evaluate(condition)))

    def categories(self, expression: Expression) -> Categories:
        """A value of every row as codes of the sorted distinct values."""
        return self._once("categories", expression_key(expression), lambda: _categories(self._evaluate(expression)))

    def _evaluate(self, expression: Expression) -> pa.Array:
        if isinstance(expression, Column):
            return one_chunk(self.arrow(expression.name))
        return evaluate_on_table(expression, self._table)

    def _once(self, kind: str, name: str, convert: Callable[[], _Value]) -> _Value:
        with self._lock:
            if (kind, name) not in self._converted:
                self._converted[kind, name] = convert()
            value: _Value = self._converted[kind, name]
            return value

    def _times(self, column: str) -> tuple[Times, Flags | None]:
        array = one_chunk(self.arrow(column))
        times, valid = _values(array.view(pa.int64())), _valid(array)
        known = times if valid is None else times[valid]
        if len(known) and not -MAX_TIME_US < int(known.min()) <= int(known.max()) < MAX_TIME_US:
            raise InvalidInputError(
                f"column '{column}' of table '{self.name}' holds a time beyond 73,000 years from 1970"
            )
        return times, valid


def one_chunk(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The values in one piece of memory."""
    if not isinstance(values, pa.ChunkedArray):
        return values
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()


def as_numbers(values: pa.ChunkedArray | pa.Array) -> tuple[npt.NDArray[Any], Flags | None]:
    """Numbers or booleans as float64[n] or int64[n] (anything under a null), and which are not null (None: all)."""
    array = one_chunk(values)
    if pa.types.is_floating(array.type):
        array = pc.cast(array, pa.float64())
    elif not pa.types.is_int64(array.type):
        array = pc.cast(array, pa.int64())
    return _values(array), _valid(array)


def as_floats(values: pa.ChunkedArray | pa.Array) -> Floats:
    """Numbers or booleans as float64[n]; null becomes NaN."""
    numbers, valid = as_numbers(values)
    floats: Floats = numbers.astype(np.float64)
    if valid is not None:
        floats[~valid] = np.nan
    return floats


def _integers(values: pa.ChunkedArray) -> Integers:
    numbers, valid = as_numbers(values)
    return numbers if valid is None else np.where(valid, numbers, np.iinfo(np.int64).min)


class _Borrowed:
    """Arrow's memory as NumPy sees it: writable, so that kernels are compiled once; no kernel writes its inputs."""

    def __init__(self, array: pa.Array, dtype: np.dtype[Any]) -> None:
        self.array = array
        address = array.buffers()[1].address + array.offset * dtype.itemsize
        self.__array_interface__ = {
            "shape": (len(array),), "typestr": dtype.str, "data": (address, False), "version": 3,
        }  # fmt: skip


def _values(array: pa.Array) -> npt.NDArray[Any]:
    dtype = np.dtype(np.float64 if pa.types.is_float64(array.type) else np.int64)
    if not len(array):
        return np.empty(0, dtype)
    return np.asarray(_Borrowed(array, dtype))


def _valid(array: pa.Array) -> Flags | None:
    return _flags(pc.is_valid(array)) if array.null_count else None


def _flags(array: pa.Array) -> Flags:
    if array.null_count:
        array = pc.fill_null(array, False)
    bits = np.frombuffer(array.buffers()[1], dtype=np.uint8) if len(array) else np.zeros(0, np.uint8)
    flags: Flags = np.unpackbits(bits, bitorder="little")[array.offset : array.offset + len(array)].astype(np.bool_)
    return flags


def _categories(array: pa.Array) -> Categories:
    from headrace.features.executor.value_hashes import hash_values

    plain = pc.cast(array, pa.int64()) if not pa.types.is_string(array.type) else array
    encoded = plain.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    ranks = np.empty(len(order), dtype=np.int32)
    ranks[np.asarray(order)] = np.arange(len(order), dtype=np.int32)
    distinct = encoded.dictionary.take(order)
    indices = _fill(encoded.indices)
    codes = np.where(indices < 0, np.int32(-1), ranks[indices]) if len(ranks) else indices
    strings = pa.types.is_string(plain.type)
    values = np.arange(len(order), dtype=np.float64) if strings else as_floats(distinct)
    return Categories(np.ascontiguousarray(codes, dtype=np.int32), values, hash_values(distinct))


def _fill(indices: pa.Array) -> Codes:
    filled = pc.fill_null(indices, -1) if indices.null_count else indices
    return np.array(np.frombuffer(filled.buffers()[1], np.int32)[filled.offset : filled.offset + len(filled)])
