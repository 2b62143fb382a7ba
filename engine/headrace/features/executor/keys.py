"""Keys as small integers, the same for the rows that ask and the rows that answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.features.executor.columns import TableColumns, as_numbers
from headrace_kernels.dtypes import Codes, Flags

_ROWS_PER_UNUSED_KEY = 4  # codes that never occur cost a few bytes each, finding them out costs a hash a row


@dataclass(frozen=True)
class KeyCodes:
    """Codes of two tables' rows; equal keys have equal codes, a key with a null part is -1.

    Attributes:
        left: int32[n_left].
        right: int32[n_right]; the same array where both are one table by the same columns.
        n_keys: codes lie in [0, n_keys).
    """

    left: Codes
    right: Codes
    n_keys: int


def encode_keys(left: TableColumns, by: Sequence[str], right: TableColumns, on: Sequence[str]) -> KeyCodes:
    """Encode the keys of two tables together; a table and itself is encoded once.

    Args:
        left: one table.
        by: its key columns; none puts all rows under one key.
        right: the other table.
        on: its key columns, in the same order.
    """
    if not by:
        zeros = np.zeros(left.n_rows, dtype=np.int32)
        return KeyCodes(zeros, zeros if left is right else np.zeros(right.n_rows, dtype=np.int32), 1)
    if left is right and tuple(by) == tuple(on):
        codes, n_keys = _encode([left.arrow(column).chunks for column in by])
        return KeyCodes(codes, codes, n_keys)
    pairs = zip(by, on, strict=True)
    codes, n_keys = _encode([_alike(left.arrow(mine), right.arrow(theirs)) for mine, theirs in pairs])
    return KeyCodes(codes[: left.n_rows], codes[left.n_rows :], n_keys)


def _alike(left: pa.ChunkedArray, right: pa.ChunkedArray) -> list[pa.Array]:
    if left.type != right.type:  # both are strings, or both whole numbers and booleans: the planner saw to it
        left, right = pc.cast(left, pa.int64()), pc.cast(right, pa.int64())
    return [*left.chunks, *right.chunks]


def _encode(columns: Sequence[Sequence[pa.Array]]) -> tuple[Codes, int]:
    codes, n_keys = _encode_column(columns[0])
    for column in columns[1:]:
        more, n_more = _encode_column(column)
        valid = (codes >= 0) & (more >= 0)
        codes, n_keys = _encode_integers(codes.astype(np.int64) * max(n_more, 1) + more, valid)
    return codes, n_keys


def _encode_column(chunks: Sequence[pa.Array]) -> tuple[Codes, int]:
    if not chunks:
        return np.zeros(0, dtype=np.int32), 0
    array = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    if pa.types.is_string(array.type):
        return _encode_strings(array)
    return _encode_integers(*as_numbers(array))


def _encode_integers(values: npt.NDArray[np.int64], valid: Flags | None) -> tuple[Codes, int]:
    """Distances from the smallest where they are few enough, else places in a dictionary."""
    known = values if valid is None else values[valid]
    if not len(known):
        return np.full(len(values), -1, dtype=np.int32), 0
    low, high = int(known.min()), int(known.max())
    if high - low < min(_ROWS_PER_UNUSED_KEY * len(values) + 1024, 2**31 - 1):
        codes = np.empty(len(values), dtype=np.int32)
        np.subtract(values, low, out=codes, casting="unsafe")
        return (codes if valid is None else np.where(valid, codes, np.int32(-1))), high - low + 1
    return _encode_strings(pa.array(values, mask=None if valid is None else ~valid))


def _encode_strings(array: pa.Array) -> tuple[Codes, int]:
    encoded = array.dictionary_encode()
    indices: Any = pc.fill_null(encoded.indices, -1) if encoded.indices.null_count else encoded.indices
    codes = np.frombuffer(indices.buffers()[1], np.int32)[indices.offset : indices.offset + len(indices)]
    return np.array(codes), len(encoded.dictionary)
