"""Digests of a table's content: equal exactly when names, types, rows, their order and their parts are equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from headrace.core.config import cpu_budget
from headrace.core.hashing import digest_json
from headrace.core.threads import ThreadPool

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PART_ROWS = 1 << 18
"""Rows of a part: what is written at once is cut here, whatever the sizes of the batches it came in."""

ROWS_FOR_THREADS = 20_000
"""Fewer rows are digested faster by one thread than it takes to start others."""


@dataclass(frozen=True)
class PartDigest:
    """What a part of a table holds.

    Attributes:
        rows: number of rows.
        columns: SHA-256 of each column's content, by name, in column order.
    """

    rows: int
    columns: Mapping[str, str]

    @property
    def value(self) -> str:
        """SHA-256 over row count, column names in their order, and column digests; 64 hexadecimal characters."""
        return digest_json([self.rows, list(self.columns.items())])


@dataclass(frozen=True)
class TableDigest:
    """What a table holds that is written at once: the digests of its parts, at least one.

    Attributes:
        parts: in row order; all but the last have `PART_ROWS` rows.
    """

    parts: tuple[PartDigest, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(part.rows for part in self.parts)

    @property
    def columns(self) -> dict[str, str]:
        """Digest of each column, by name, in column order; a chain over the parts where there are several."""
        return {name: chained(part.columns[name] for part in self.parts) for name in self.parts[0].columns}

    @property
    def value(self) -> str:
        """The parts' chain; of a table of one part, the part's digest."""
        return chained(part.value for part in self.parts)


def chained(parts: Iterable[str]) -> str:
    """Fold the digests of parts, at least one, in order: the first as it is, then SHA-256 over (so far, next).

    Adding a part therefore costs its own digest, however large the table is.
    """
    return reduce(lambda before, part: digest_json([before, part]), parts)


def digest_table(table: pa.Table) -> TableDigest:
    """Digest a table whose columns have the vocabulary's types.

    Chunks, row groups, compression and file layout do not matter; row order, nulls and every bit of every value do
    (NaN differs from null, -0.0 from 0.0). One pass, memory of one column of a part.
    """
    starts = range(0, max(table.num_rows, 1), PART_ROWS)
    return TableDigest(tuple(digest_part(table.slice(start, PART_ROWS)) for start in starts))


def digest_part(table: pa.Table) -> PartDigest:
    """Digest a table as one part, whatever its rows; large ones on all threads."""
    columns = {name: table.column(name) for name in table.column_names}
    if table.num_rows < ROWS_FOR_THREADS:
        return PartDigest(table.num_rows, {name: digest_column(column) for name, column in columns.items()})
    with ThreadPool(cpu_budget()) as pool:
        return PartDigest(table.num_rows, dict(zip(columns, pool.map(digest_column, columns.values()), strict=True)))


def digest_column(column: pa.ChunkedArray) -> str:
    """SHA-256 of one column: type, length, which rows are null, and the other rows' values."""
    import hashlib

    import numpy as np
    import pyarrow as pa

    is_string = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    whole = column.cast(pa.large_string()) if is_string else column  # chunks of 2 GiB text join only with wide offsets
    array = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], type=whole.type)
    digest = hashlib.sha256(f"{'string' if is_string else column.type}:{len(array)}:".encode())
    digest.update(np.packbits(_bits(array.is_null())).data)
    present = array.drop_null()
    if is_string:
        _, places, characters = present.buffers()
        if len(present):
            offsets = np.frombuffer(places, np.int64)[present.offset : present.offset + len(present) + 1]
            digest.update(np.diff(offsets).data)
            if characters is not None:  # Arrow leaves the buffer out where every string is empty
                digest.update(memoryview(characters)[offsets[0] : offsets[-1]])
    elif pa.types.is_boolean(array.type):
        digest.update(np.packbits(_bits(present)).data)
    elif len(present):
        values = np.frombuffer(present.buffers()[1], np.int64)[present.offset : present.offset + len(present)]
        digest.update(values.data)
    return digest.hexdigest()


def _bits(array: pa.BooleanArray) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """A Boolean array without nulls as 0 and 1.

    Not `to_numpy`: it imports pandas (0.2 s), and a Ctrl-C that meets that import is lost.
    """
    import numpy as np

    if not len(array):
        return np.empty(0, np.uint8)
    packed = np.frombuffer(array.buffers()[1], np.uint8)
    return np.unpackbits(packed, bitorder="little")[array.offset : array.offset + len(array)]
