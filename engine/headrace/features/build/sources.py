"""Where a build reads its tables from: memory or files, in batches, a few columns at a time.

Every batch has the one Arrow type of each column's name, so that what is computed does not depend on the file format.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from headrace.core.errors import DefinitionError, HeadraceError, NotFoundError, SourceError
from headrace.core.hashing import digest_file, digest_json
from headrace.data.digests import digest_table
from headrace.data.types import arrow_type, conform, dtype_name

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1 << 20
_LARGE_BATCH_BYTES = 128 << 20  # a stored batch above this is read through a memory map, slice by slice
_BYTES = {"bool": 1, "int64": 8, "float64": 8, "timestamp": 8, "string": 24}


class Source(Protocol):
    """A table that can be read more than once, in the same order each time."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def dtypes(self) -> dict[str, str]:
        """Vocabulary type of each column that has one, by name, in column order."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 that changes when the content does."""
        ...

    def size_bytes(self, columns: Sequence[str]) -> int:
        """About how much memory these columns take once they are read."""
        ...

    def batches(self, dtypes: Mapping[str, str], *, rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
        """Read columns in their stored row order, in tables of at most `rows` rows.

        Args:
            dtypes: the columns and the types they must have.
            rows: most rows of one table.

        Raises:
            SourceError: the file cannot be read.
            DefinitionError: a column is absent or has another type.
        """
        ...


@dataclass(frozen=True, eq=False)
class MemorySource:
    """A table that is in memory already."""

    table: pa.Table

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    @property
    def dtypes(self) -> dict[str, str]:
        """Vocabulary type of each column that has one."""
        return _dtypes(self.table.schema)

    @cached_property
    def digest(self) -> str:
        """Digest of the content of the columns that have a vocabulary type."""
        return digest_table(conform(self.table, self.dtypes)).value

    def size_bytes(self, columns: Sequence[str]) -> int:
        """About how much memory the columns take."""
        return estimated_bytes(self, columns)

    def batches(self, dtypes: Mapping[str, str], *, rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
        """Give slices of the table."""
        for first in range(0, self.rows, rows):
            yield conform(self.table.slice(first, rows), dtypes)


@dataclass(frozen=True, eq=False)
class ArrowSource:
    """An Arrow IPC file (`.arrow`, `.feather`)."""

    path: Path

    @cached_property
    def rows(self) -> int:
        """Number of rows."""
        with _reading(self.path), self._open() as reader:
            return int(reader.count_rows())

    @cached_property
    def dtypes(self) -> dict[str, str]:
        """Vocabulary type of each column that has one."""
        with _reading(self.path), self._open() as reader:
            return _dtypes(reader.schema)

    @cached_property
    def digest(self) -> str:
        """Digest of the file's bytes."""
        with _reading(self.path):
            return digest_file(self.path)

    def size_bytes(self, columns: Sequence[str]) -> int:
        """About how much memory the columns take."""
        return estimated_bytes(self, columns)

    def batches(self, dtypes: Mapping[str, str], *, rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
        """Read batch by batch; a batch of more than 128 MiB is mapped and never in memory as a whole."""
        import pyarrow as pa

        with _reading(self.path), self._open(dtypes) as reader:
            stored = reader.num_record_batches
            mapped = stored > 0 and self.size_bytes(list(dtypes)) / stored > _LARGE_BATCH_BYTES
        with _reading(self.path), self._open(dtypes, mapped=mapped) as reader:
            for index in range(stored):
                batch = pa.Table.from_batches([reader.get_batch(index)])
                for first in range(0, batch.num_rows, rows):
                    yield conform(batch.slice(first, rows), dtypes)

    @contextmanager
    def _open(
        self, dtypes: Mapping[str, str] | None = None, *, mapped: bool = True
    ) -> Iterator[pa.RecordBatchFileReader]:
        import pyarrow as pa

        with pa.memory_map(str(self.path)) if mapped else pa.OSFile(str(self.path)) as file:
            names = pa.ipc.open_file(file).schema.names if dtypes is not None else []
            chosen = [names.index(name) for name in dtypes or () if name in names]
            options = pa.ipc.IpcReadOptions(included_fields=chosen) if chosen else None
            with pa.ipc.open_file(file, options=options) as reader:
                yield reader


@dataclass(frozen=True, eq=False)
class ParquetSource:
    """Parquet files that make one table, in this order.

    Attributes:
        paths: the files; at least one.
        version: digest of the content where somebody keeps one, else the files' bytes are digested.
    """

    paths: tuple[Path, ...]
    version: str | None = None

    @cached_property
    def rows(self) -> int:
        """Number of rows."""
        return sum(self._metadata(path).num_rows for path in self.paths)

    @cached_property
    def dtypes(self) -> dict[str, str]:
        """Vocabulary type of each column that has one, in the first file."""
        import pyarrow.parquet as pq

        with _reading(self.paths[0]):
            return _dtypes(pq.read_schema(self.paths[0]))

    @cached_property
    def digest(self) -> str:
        """The table version's digest, or one of the files' bytes."""
        if self.version is not None:
            return self.version
        digests = []
        for path in self.paths:
            with _reading(path):
                digests.append(digest_file(path))
        return digest_json(digests)

    def size_bytes(self, columns: Sequence[str]) -> int:
        """About how much memory the columns take."""
        return estimated_bytes(self, columns)

    def batches(self, dtypes: Mapping[str, str], *, rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
        """Read row group by row group."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for path in self.paths:
            with _reading(path), pq.ParquetFile(path) as file:
                chosen = [name for name in dtypes if name in file.schema_arrow.names]
                for batch in file.iter_batches(batch_size=rows, columns=chosen, use_threads=False):
                    yield conform(pa.Table.from_batches([batch]), dtypes)

    def _metadata(self, path: Path) -> pa.parquet.FileMetaData:
        import pyarrow.parquet as pq

        with _reading(path):
            return pq.read_metadata(path)


def as_source(given: Source | pa.Table | Path) -> Source:
    """Take a table, a file or a folder of Parquet files as a source.

    Raises:
        NotFoundError: there is no such file, or no Parquet file in the folder.
        SourceError: the suffix names no format that is read here, or the file cannot be read.
    """
    import pyarrow as pa

    if isinstance(given, pa.Table):
        return MemorySource(given)
    if not isinstance(given, Path):
        return given
    if given.is_dir():
        files = tuple(sorted(given.rglob("*.parquet")))
        if not files:
            raise NotFoundError(f"the folder {given} holds no .parquet file")
        return ParquetSource(files)
    if not given.is_file():
        raise NotFoundError(f"there is no file {given}")
    match given.suffix:
        case ".arrow" | ".feather" | ".ipc":
            return ArrowSource(given)
        case ".parquet":
            return ParquetSource((given,))
        case ".csv":
            return MemorySource(_read_csv(given))
    raise SourceError(
        f"the format of {given} is not known by its suffix '{given.suffix}'", hint="allowed: .arrow, .parquet, .csv"
    )


def read_whole(source: Source, dtypes: Mapping[str, str]) -> pa.Table:
    """Read columns of a source into memory.

    Raises:
        SourceError: the file cannot be read.
        DefinitionError: a column is absent or has another type.
    """
    import pyarrow as pa

    return pa.concat_tables([empty_table(dtypes), *source.batches(dtypes)])


def rechunked(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Join and cut tables so that each has exactly `rows` rows, the last one perhaps fewer; none is empty."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    held = 0
    for table in tables:
        waiting.append(table)
        held += table.num_rows
        if held >= rows:
            joined = pa.concat_tables(waiting)
            for first in range(0, held - rows + 1, rows):
                yield joined.slice(first, rows)
            rest = joined.slice(held - held % rows)
            waiting, held = [rest], rest.num_rows
    if held:
        yield pa.concat_tables(waiting)


def empty_table(dtypes: Mapping[str, str]) -> pa.Table:
    """A table of these columns without rows."""
    import pyarrow as pa

    schema = pa.schema([(name, arrow_type(dtype)) for name, dtype in dtypes.items()])
    return pa.Table.from_batches([], schema=schema)  # not `empty_table()`: it imports pandas, half a second


def _read_csv(path: Path) -> pa.Table:
    """A CSV file whole, its column types guessed; times without a zone are taken as UTC."""
    import pyarrow as pa
    from pyarrow import csv

    with _reading(path):
        table = csv.read_csv(path)
    utc = pa.timestamp("us", "UTC")
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(utc))
    return table


def _dtypes(schema: pa.Schema) -> dict[str, str]:
    named = {field.name: dtype_name(field.type) for field in schema}
    return {name: dtype for name, dtype in named.items() if dtype is not None}


def estimated_bytes(source: Source, columns: Sequence[str]) -> int:
    """About how much memory columns of a source take once they are read."""
    dtypes = source.dtypes
    return source.rows * sum(_BYTES[dtypes.get(column, "string")] for column in columns)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong in a library that reads a file into an error that names the file.

    Raises:
        NotFoundError: the file went away.
        SourceError: it cannot be read, or is not what its suffix says.
    """
    import pyarrow as pa

    try:
        yield
    except DefinitionError as error:
        raise DefinitionError(f"{path}: {error.message}", hint=error.hint) from error
    except HeadraceError:
        raise
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOENT:
            raise NotFoundError(f"there is no file {path}") from error
        raise SourceError(f"{path} cannot be read: {error}") from error
