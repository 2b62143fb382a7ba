"""Hashes of Arrow values, the same in every chunking, encoding and process."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.errors import InvalidInputError
from headrace_kernels.cpu import hashing
from headrace_kernels.dtypes import Hashes


def hash_values(values: pa.ChunkedArray | pa.Array, *, seed: int = 0) -> Hashes:
    """Hash strings by their UTF-8 bytes, integers and booleans as 64-bit integers, with XXH64.

    Equal values have equal hashes whether they are dictionary-encoded, chunked, sliced, narrow or wide. The hash of 5
    is not that of "5". Complexity: O(n + bytes).

    Args:
        values: Array or ChunkedArray[n] of strings, integers or booleans; a null has the hash 0.
        seed: in [0, 2**64).

    Returns:
        uint64[n].

    Raises:
        InvalidInputError: the values are of another type.
    """
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    hashes = [_hash_chunk(chunk, seed) for chunk in chunks]
    return np.concatenate(hashes) if hashes else np.zeros(0, dtype=np.uint64)


def _hash_chunk(chunk: pa.Array, seed: int) -> Hashes:
    if pa.types.is_dictionary(chunk.type):
        entries = _hash_chunk(chunk.dictionary, seed)
        codes = pc.fill_null(chunk.indices, 0).to_numpy(zero_copy_only=False)
        hashes = entries[codes] if len(entries) else np.zeros(len(chunk), dtype=np.uint64)
        nulls = pc.is_null(chunk) if chunk.null_count or chunk.dictionary.null_count else None
    elif pa.types.is_integer(chunk.type) or pa.types.is_boolean(chunk.type):
        plain = pc.fill_null(chunk, 0) if pa.types.is_integer(chunk.type) else pc.fill_null(chunk, False)
        hashes = hashing.hash_integers(_own(pc.cast(plain, pa.int64())), seed)
        nulls = pc.is_null(chunk) if chunk.null_count else None
    elif pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type) or pa.types.is_string_view(chunk.type):
        hashes = _hash_strings(pc.cast(chunk, pa.large_string()), seed)
        nulls = pc.is_null(chunk) if chunk.null_count else None
    else:
        raise InvalidInputError(
            f"values of type {chunk.type} cannot be hashed; strings, integers and booleans can",
            hint="bin numbers first: binned(...)",
        )
    if nulls is not None:
        hashes[nulls.to_numpy(zero_copy_only=False)] = 0
    return hashes


def _hash_strings(strings: pa.Array, seed: int) -> Hashes:
    _, offsets_buffer, data_buffer = strings.buffers()
    if not len(strings):
        return np.zeros(0, dtype=np.uint64)
    offsets = np.frombuffer(offsets_buffer, np.int64)[strings.offset : strings.offset + len(strings) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.frombuffer(data_buffer, np.uint8)[first:last] if last > first else np.zeros(0, np.uint8)
    return hashing.hash_strings(offsets - first, data.copy(), seed)


def _own(array: pa.Array) -> npt.NDArray[Any]:
    """The values in memory of their own: kernels are compiled once, for writable arrays."""
    return np.array(array.to_numpy(zero_copy_only=False))
