"""Rows to partitions: a hash of the key's value, the same for the spine and for every table it asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import numpy.typing as npt

ROW = "__row__"
"""Column of a spilled table: the row's position in the table it came from."""

_SEED = 0x48454144
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def partition_of(table: pa.Table, keys: Sequence[str], partitions: int) -> npt.NDArray[np.uint16]:
    """Partition of each row: uint16[n_rows] in [0, partitions).

    Rows whose key columns hold equal values are in one partition, whatever the table, the chunking or the order. Whole
    numbers and booleans of equal value are equal. A key with a null part equals no other; such rows go anywhere.

    Args:
        table: has the key columns; strings, whole numbers or booleans.
        keys: names of the key columns, in the order in which the tables correspond.
        partitions: from 1 to 65,535.
    """
    hashes = np.zeros(table.num_rows, dtype=np.uint64)
    for key in keys:
        hashes = (hashes ^ _hashes(table.column(key))) * _FACTOR  # the order of the columns matters
        hashes ^= hashes >> np.uint64(32)
    return (hashes % np.uint64(partitions)).astype(np.uint16)


def split(table: pa.Table, keys: Sequence[str], partitions: int) -> Iterator[tuple[int, pa.Table]]:
    """Cut a table into its partitions; the rows of a partition keep their order.

    Returns:
        number and rows of each partition that has any.
    """
    of = partition_of(table, keys, partitions)
    order = np.argsort(of, kind="stable")  # a radix sort: the numbers have 16 bits
    ends = np.cumsum(np.bincount(of, minlength=partitions))
    sorted_rows = table.take(pa.array(order))
    first = 0
    for number, end in enumerate(ends.tolist()):
        if end > first:
            yield number, sorted_rows.slice(first, end - first)
        first = end


def _hashes(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    from headrace_kernels.cpu.hashing import hash_integers, hash_strings

    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        numbers = pc.fill_null(pc.cast(column, pa.int64()), 0).to_numpy()
        return hash_integers(np.require(numbers, requirements=["C", "W"]), _SEED)
    texts = pc.fill_null(column, "").cast(pa.large_string()).combine_chunks()
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.concat_arrays(texts.chunks) if texts.num_chunks else pa.array([], pa.large_string())
    _, places, characters = texts.buffers()
    offsets = np.frombuffer(places, np.int64)[texts.offset : texts.offset + len(texts) + 1].copy()
    data = np.frombuffer(characters, np.uint8).copy() if characters is not None else np.zeros(0, np.uint8)
    return hash_strings(offsets, data, _SEED)
