"""Parquet files: the columns that are asked for, and the row groups that may hold what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from headrace.core.errors import SourceError
from headrace.data.reading import BATCH_BYTES, Part, rejected_table
from headrace.data.sources.arrow_columns import as_declared, check_columns, wanted_columns
from headrace.data.sources.files import FileSource, Location, SourceFile

if TYPE_CHECKING:
    import pyarrow.parquet as pq
    from pyarrow.fs import FileSystem

    from headrace.data.sources.csv import Prepare

ROWS_MAX = 1 << 20


@dataclass(frozen=True)
class ParquetSource(FileSource):
    """Parquet files.

    Attributes:
        path: a file, a glob, a URI, several of them, or a function that finds the file when it is read.
        columns: types of the columns that are read, by name; None reads all. Others are not touched.
        prepare: from the columns as declared to the table's columns, as in `CsvSource`.
        after: (column, value): only rows with a greater value; row groups that hold none are skipped.
        rows: (first, behind the last) row of each file, counted from 0; row groups outside are skipped.
        filesystem: an Arrow file system to look in; None is the local disk, or what a URI names.

    Raises:
        DefinitionError: an unknown type.
    """

    path: Location
    columns: Mapping[str, str] | None = None
    prepare: Prepare | None = field(default=None, kw_only=True)
    after: tuple[str, Any] | None = field(default=None, kw_only=True)
    rows: tuple[int, int] | None = field(default=None, kw_only=True)
    filesystem: FileSystem | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_columns(self.columns, where="ParquetSource")

    def beyond(self, column: str, value: Any) -> ParquetSource:
        """The same source without rows whose column is not greater than a value."""
        return replace(self, after=(column, value))

    def parts(self, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Part]:
        """Read the files one after the other, row group by row group.

        Raises:
            SourceError: missing, unreadable or damaged file, named with row group and column; columns that are not as
                declared.
        """
        for file in self.files():
            yield from _FileReader(self, file, batch_bytes).parts()


class _FileReader:
    """Reads one file once."""

    def __init__(self, source: ParquetSource, file: SourceFile, batch_bytes: int) -> None:
        self._source = source
        self._file = file
        self._batch_bytes = batch_bytes

    def parts(self) -> Iterator[Part]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            handle = self._file.open()
        except OSError as error:
            raise SourceError(f"{self._file.name} cannot be read: {error}") from error
        with handle:
            try:
                opened = pq.ParquetFile(handle, page_checksum_verification=True, pre_buffer=False)
            except (OSError, pa.ArrowException) as error:
                raise SourceError(
                    f"{self._file.name} is not a whole Parquet file: {error}",
                    hint="a Parquet file ends with its description: it may be half-written or cut short",
                ) from error
            yield from self._groups(opened)

    def _groups(self, opened: pq.ParquetFile) -> Iterator[Part]:
        import numpy as np
        import pyarrow as pa

        wanted = wanted_columns(opened.schema_arrow, self._source.columns, self._file.name)
        row, given = 0, False
        for group in range(opened.num_row_groups):
            facts = opened.metadata.row_group(group)
            start, row = row, row + facts.num_rows
            if self._skipped(facts, start):
                continue
            each = max(1, facts.total_byte_size // max(1, facts.num_rows))
            share = (self._file.size or 0) / max(1, opened.metadata.num_rows)
            batch_rows = min(ROWS_MAX, max(1, self._batch_bytes // each))
            for batch in self._batches(opened, group, batch_rows, list(wanted)):
                lines = np.arange(start + 1, start + batch.num_rows + 1, dtype=np.int64)
                start += batch.num_rows
                rows, kept = self._filtered(batch, lines)
                table = as_declared(rows, wanted, self._file.name)
                taken = round(share * len(lines))
                given = True
                name = self._file.name
                yield Part(table, rejected_table(name), table.num_rows, name, kept, taken)
        if not given:
            nothing = pa.Table.from_batches([], opened.schema_arrow)
            empty = as_declared(nothing, wanted, self._file.name)
            yield Part(empty, rejected_table(self._file.name), 0, self._file.name, np.empty(0, np.int64), 0)

    def _skipped(self, facts: Any, start: int) -> bool:
        """Whether no row of a row group is asked for."""
        if self._source.rows is not None:
            first, behind = self._source.rows
            if start + facts.num_rows <= first or start >= behind:
                return True
        if self._source.after is None:
            return False
        column, value = self._source.after
        for place in range(facts.num_columns):
            chunk = facts.column(place)
            if chunk.path_in_schema == column and chunk.statistics is not None and chunk.statistics.has_min_max:
                try:
                    return bool(chunk.statistics.max <= value)
                except TypeError:
                    return False
        return False

    def _batches(self, opened: pq.ParquetFile, group: int, rows: int, wanted: list[str]) -> Iterator[Any]:
        import pyarrow as pa

        extra = [self._source.after[0]] if self._source.after and self._source.after[0] not in wanted else []
        try:
            for batch in opened.iter_batches(batch_size=rows, row_groups=[group], columns=wanted + extra):
                yield pa.Table.from_batches([batch])
        except (OSError, pa.ArrowException) as error:
            column = _damaged(opened, group, wanted)
            where = f", column '{column}'" if column is not None else ""
            raise SourceError(
                f"{self._file.name}: row group {group + 1} of {opened.num_row_groups}{where} cannot be read: {error}",
                hint="the file is damaged: fetch or write it again",
            ) from error

    def _filtered(self, table: Any, lines: Any) -> tuple[Any, Any]:
        """The rows that are asked for, and their numbers."""
        import polars as pl
        import pyarrow as pa

        keep = None
        if self._source.rows is not None:
            first, behind = self._source.rows
            keep = pl.Series((lines > first) & (lines <= behind))
        if self._source.after is not None:
            column, value = self._source.after
            values = pl.Series(table.column(column))
            newer = (values > value).fill_null(value=False)
            keep = newer if keep is None else keep & newer
        if keep is None:
            return table, lines
        return table.filter(pa.array(keep)), lines[keep.to_numpy()]


def _damaged(opened: pq.ParquetFile, group: int, wanted: list[str]) -> str | None:
    """The first column of a row group that does not read by itself."""
    import pyarrow as pa

    for name in wanted:
        try:
            opened.read_row_group(group, columns=[name])
        except (OSError, pa.ArrowException):
            return name
    return None
