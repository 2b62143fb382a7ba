"""Rows of a version, a part at a time, checked against the digests they were written with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from headrace.core.config import cpu_budget
from headrace.core.errors import CorruptedError
from headrace.core.threads import ThreadPool
from headrace.data.commit_facts import Part, Place
from headrace.data.digests import ROWS_FOR_THREADS, digest_column
from headrace.data.types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.data.commit_log import TableLog


@dataclass(frozen=True)
class PartsToRead:
    """Parts of one version, in row order.

    Attributes:
        title: what a message calls them: table and version.
        log: where their rows lie.
        parts: the parts.
        dtypes: columns to read and their types; a part that lacks one has nulls there.
        is_checked: whether the columns' digests are compared.
    """

    title: str
    log: TableLog
    parts: Sequence[Part]
    dtypes: dict[str, str]
    is_checked: bool = True

    def tables(self) -> Iterator[pa.Table]:
        """One table a part; memory of about two parts.

        Raises:
            CorruptedError: the files do not hold what was written.
        """
        import pyarrow as pa

        pieces = _Pieces(self)
        with ThreadPool(cpu_budget()) as pool:
            for part in self.parts:
                try:
                    table = pieces.take(part)
                except (OSError, KeyError, pa.ArrowException) as error:
                    raise CorruptedError(f"{self.title} cannot be read: {error}") from error
                if self.is_checked:
                    self._check(part, table, pool)
                yield table

    def _check(self, part: Part, table: pa.Table, pool: ThreadPool) -> None:
        names = [name for name in self.dtypes if name in part.columns]
        apply = pool.map if table.num_rows >= ROWS_FOR_THREADS else map
        digests = apply(lambda name: digest_column(table.column(name)), names)
        for name, found in zip(names, digests, strict=True):
            if found != part.columns[name] or table.num_rows != part.rows:
                raise CorruptedError(
                    f"{self.title} was altered: column '{name}' has digest {found[:8]}, "
                    f"written as {part.columns[name][:8]}",
                    hint="ingest the source again, or restore the table's folder from a backup",
                )


class _Pieces:
    """Rows in file order, handed out by number."""

    def __init__(self, wanted: PartsToRead) -> None:
        self._wanted = wanted
        self._stream = chain.from_iterable(self._read(run) for run in _runs(wanted))
        self._rest: pa.Table | None = None

    def take(self, part: Part) -> pa.Table:
        """The part's rows, columns as wanted."""
        import pyarrow as pa

        pieces = []
        missing = part.rows
        while missing:
            table = self._rest if self._rest is not None else next(self._stream, None)
            if table is None:
                break  # fewer rows than were written: the check says so
            pieces.append(table.slice(0, missing))
            self._rest = table.slice(missing) if table.num_rows > missing else None
            missing -= pieces[-1].num_rows
        arrays = {}
        for name, dtype in self._wanted.dtypes.items():
            wanted = arrow_type(dtype)
            if name in part.columns:
                chunks = [piece.column(name) for piece in pieces]
                arrays[name] = pa.chunked_array([c for column in chunks for c in column.cast(wanted).chunks], wanted)
            else:
                arrays[name] = pa.chunked_array([pa.nulls(part.rows, wanted)])
        return pa.table(arrays)

    def _read(self, run: Place) -> Iterator[pa.Table]:
        import pyarrow.parquet as pq

        log = self._wanted.log
        with pq.ParquetFile(log.path / run.file) as file:
            expected = log.file_stats[run.file].rows
            if expected >= 0 and file.metadata.num_rows != expected:
                raise CorruptedError(
                    f"{self._wanted.title} was altered: {run.file} has {file.metadata.num_rows} rows, "
                    f"written were {expected}",
                    hint="ingest the source again, or restore the table's folder from a backup",
                )
            present = set(file.schema_arrow.names)
            columns = [name for name in self._wanted.dtypes if name in present]
            begin = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                first, last = max(run.first - begin, 0), min(run.first + run.rows - begin, rows)
                if first < last:
                    yield file.read_row_group(group, columns=columns).slice(first, last - first)
                begin += rows


def _runs(wanted: PartsToRead) -> Iterator[Place]:
    """Places of the parts, neighbours within a file joined."""
    run: Place | None = None
    for part in wanted.parts:
        for place in wanted.log.places[part.name]:
            if run is not None and (place.file, place.first) == (run.file, run.first + run.rows):
                run = Place(run.file, run.first, run.rows + place.rows)
                continue
            if run is not None:
                yield run
            run = place
    if run is not None:
        yield run
