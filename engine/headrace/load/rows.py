"""Rows to send: from a file, or random ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.client import TensorSpec
from headrace.core.errors import InvalidInputError
from headrace.wire.tensors import DTYPES

_WORDS = np.array([b"north", b"east", b"south", b"west", b"", b"a rather longer word than the others"], dtype=object)


def read_rows(path: Path) -> npt.NDArray[Any]:
    """Read a matrix: [n_rows, n_columns].

    Raises:
        InvalidInputError: no such file, an unknown ending, or columns that are no numbers.
    """
    if not path.is_file():
        raise InvalidInputError(f"there is no file {path}")
    readers = {".npy": _read_npy, ".parquet": _read_table, ".csv": _read_table, ".arrow": _read_table}
    if path.suffix not in readers:
        raise InvalidInputError(f"{path} ends in '{path.suffix}'; allowed: {', '.join(readers)}")
    rows = readers[path.suffix](path)
    if rows.ndim == 1:
        rows = rows[:, None]
    if not len(rows):
        raise InvalidInputError(f"{path} has no rows")
    return rows


def _read_npy(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise InvalidInputError(f"{path} is no array of numbers: {error}") from None
    return array


def _read_table(path: Path) -> npt.NDArray[Any]:
    import pyarrow as pa

    try:
        table = _open_table(path)
        columns = [column.to_numpy() for column in table.columns]
        return np.column_stack([column.astype(np.float64) for column in columns])
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InvalidInputError(f"{path} is no table of numbers: {error}", hint="one column a feature") from None


def _open_table(path: Path) -> Any:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.read_table(path)
    if path.suffix == ".csv":
        from pyarrow import csv

        return csv.read_csv(path)
    from pyarrow import ipc, memory_map

    with memory_map(str(path)) as source:
        return ipc.open_file(source).read_all()


def random_tensor(
    spec: TensorSpec, count: int, random: np.random.Generator, *, nan_share: float = 0.0
) -> npt.NDArray[Any]:
    """Draw `count` rows for an input: normal floats of which a share is missing, small integers, words.

    Args:
        spec: name, datatype and extents of a row.
        count: rows.
        random: where they come from.
        nan_share: share of floats that are NaN.
    """
    dtype = DTYPES[spec.datatype]
    shape = (count, *spec.shape)
    if dtype.kind == "f":
        values = random.standard_normal(shape, dtype=np.float32).astype(dtype, copy=False)
        if nan_share:
            values[random.random(shape, dtype=np.float32) < nan_share] = np.nan
        return values
    if dtype.kind == "O":
        words: npt.NDArray[Any] = random.choice(_WORDS, size=shape)
        return words
    return random.integers(0, 2 if dtype.kind == "b" else 100, size=shape).astype(dtype)
