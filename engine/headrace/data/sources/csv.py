"""CSV files (RFC 4180), declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headrace.core.errors import DefinitionError
from headrace.data.reading import BATCH_BYTES, Part
from headrace.data.sources.files import FileSource, Location
from headrace.data.types import check_dtype

if TYPE_CHECKING:
    import polars as pl
    from pyarrow.fs import FileSystem

Prepare = Callable[["pl.LazyFrame"], "pl.LazyFrame"]


@dataclass(frozen=True)
class CsvSource(FileSource):
    """CSV files (RFC 4180, UTF-8), each with a header, plain or packed with gzip, Zstandard or as one member of a zip.

    Attributes:
        path: a file, a glob, a URI, several of them, or a function without arguments that finds the file when it is
            read.
        columns: types of the columns that are read, by name in the file's header; other columns are ignored. A value
            that does not read as its type sends its row to quarantine.
        null_values: what stands for a missing value, unquoted or quoted.
        prepare: from the columns as declared to the table's columns, row for row: conversions, new columns, a filter;
            or a `Preparation`. A large source is prepared piece by piece.
        line_column: name of an int64 column that `prepare` finds beside the others: the line of the file, counted from
            1, where the row begins. None: no such column.
        separator: one character between fields.
        filesystem: an Arrow file system to look in; None is the local disk, or what a URI names.

    Raises:
        DefinitionError: no columns, an unknown type, or a separator that is not one character.
    """

    path: Location
    columns: Mapping[str, str]
    null_values: tuple[str, ...] = ("", "NA")
    prepare: Prepare | None = field(default=None, kw_only=True)
    line_column: str | None = field(default=None, kw_only=True)
    separator: str = field(default=",", kw_only=True)
    filesystem: FileSystem | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not self.columns:
            raise DefinitionError(
                "a CsvSource needs the types of its columns: CsvSource(path, columns={'name': 'int64'})"
            )
        for name, dtype in self.columns.items():
            check_dtype(dtype, where=f"CsvSource column '{name}'")
        if len(self.separator.encode()) != 1 or self.separator in '"\r\n':
            raise DefinitionError(f"separator {self.separator!r} is not allowed; it is one character, often ',' or ';'")
        if self.line_column in self.columns:
            raise DefinitionError(f"line_column '{self.line_column}' is also a column of the file; choose another name")

    def parts(self, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Part]:
        """Read the files one after the other, `batch_bytes` of text at a time.

        Raises:
            SourceError: missing, unreadable, damaged or empty file, not UTF-8, a header that repeats a name or lacks a
                declared column, or a file of which no row parses.
        """
        from headrace.data.csv_reading import csv_parts

        for file in self.files():
            yield from csv_parts(self, file, batch_bytes)
