"""Keys as small integers, the same for the rows that ask and the rows that answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.features.table_columns import TableColumns, writable
from headrace_kernels.dtypes import Codes, Flags

_ROWS_PER_UNUSED_KEY = 16  # so few possible pairs that those that never occur cost less than counting them out


@dataclass(frozen=True)
class KeyCodes:
    """Codes of two tables' rows; equal keys have equal codes, a key with a null part is -1.

    Attributes:
        left: int32[n_left].
        right: int32[n_right].
        n_keys: codes lie in [0, n_keys).
    """

    left: Codes
    right: Codes
    n_keys: int


def encode_keys(left: TableColumns, by: Sequence[str], right: TableColumns, on: Sequence[str]) -> KeyCodes:
    """Encode the keys of two tables together; a table and itself is encoded once.

    Args:
        left: one table.
        by: its key columns.
        right: the other table.
        on: its key columns, in the same order.
    """
    if left is right and tuple(by) == tuple(on):
        codes, n_keys = _encode([left.arrow(column).chunks for column in by])
        return KeyCodes(codes, codes, n_keys)
    pairs = zip(by, on, strict=True)
    columns = [_alike(left.arrow(mine), right.arrow(theirs)) for mine, theirs in pairs]
    codes, n_keys = _encode(columns)
    return KeyCodes(codes[: left.n_rows], codes[left.n_rows :], n_keys)


def without_rows(codes: Codes, *flags: Flags | None) -> Codes:
    """The codes, -1 where any of the flags is False."""
    for keep in flags:
        if keep is not None:
            codes = np.where(keep, codes, np.int32(-1))
    return codes


def _alike(left: pa.ChunkedArray, right: pa.ChunkedArray) -> list[pa.Array]:
    if left.type != right.type:  # both are strings, or both whole numbers and booleans: the planner saw to it
        left, right = pc.cast(left, pa.int64()), pc.cast(right, pa.int64())
    return [*left.chunks, *right.chunks]


def _encode(columns: Sequence[Sequence[pa.Array]]) -> tuple[Codes, int]:
    codes, n_keys = _encode_one(columns[0])
    for column in columns[1:]:
        more, n_more = _encode_one(column)
        pairs = np.where((codes < 0) | (more < 0), np.int64(-1), codes.astype(np.int64) * n_more + more)
        if n_keys * n_more * _ROWS_PER_UNUSED_KEY <= len(pairs):
            codes, n_keys = pairs.astype(np.int32), n_keys * n_more
        else:
            codes, n_keys = _encode_one([pa.array(pairs, mask=pairs < 0)])
    return codes, n_keys


def _encode_one(chunks: Sequence[pa.Array]) -> tuple[Codes, int]:
    if not chunks:
        return np.zeros(0, dtype=np.int32), 0
    encoded = pa.concat_arrays(chunks).dictionary_encode() if len(chunks) > 1 else chunks[0].dictionary_encode()
    indices = pc.fill_null(encoded.indices, -1) if encoded.indices.null_count else encoded.indices
    return writable(indices), len(encoded.dictionary)
