"""Where a table's rows come from, declared: nothing is opened until it is read."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.core.errors import DefinitionError, SourceError, did_you_mean
from headrace.data.types import check_dtype

if TYPE_CHECKING:
    import polars as pl

Prepare = Callable[["pl.LazyFrame"], "pl.LazyFrame"]


@dataclass(frozen=True)
class CsvSource:
    """A CSV file (RFC 4180, UTF-8), plain or as the one member of a zip archive.

    Attributes:
        path: the file, or a function without arguments that finds it when it is read.
        columns: types of the columns that are read, by name in the file's header; other columns are ignored. A value
            that does not read as its type sends its row to quarantine.
        null_values: what stands for a missing value, unquoted or quoted.
        prepare: from the columns as declared to the table's columns, row for row: conversions, new columns, a filter.
        line_column: name of an int64 column that `prepare` finds beside the others: the line of the file, counted from
            1, where the row begins. None: no such column.
        separator: one character between fields.

    Raises:
        DefinitionError: no columns, an unknown type, or a separator that is not one character.
    """

    path: str | Path | Callable[[], Path]
    columns: Mapping[str, str]
    null_values: tuple[str, ...] = ("", "NA")
    prepare: Prepare | None = field(default=None, kw_only=True)
    line_column: str | None = field(default=None, kw_only=True)
    separator: str = field(default=",", kw_only=True)

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

    def locate(self) -> Path:
        """The file, checked to exist.

        Raises:
            SourceError: there is no such file, or the function that finds it fails.
        """
        try:
            path = Path(self.path() if callable(self.path) else self.path)
        except (OSError, ImportError) as error:
            raise SourceError(f"the source's file cannot be found: {error}") from error
        if path.is_file():
            return path
        if path.is_dir():
            raise SourceError(f"{path} is a folder; a CsvSource names one file")
        siblings = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        what = (
            f"there is no file {path}" if path.parent.is_dir() else f"there is no folder {path.parent} for {path.name}"
        )
        raise SourceError(what, hint=did_you_mean(path.name, siblings))

    def read_bytes(self) -> bytes:
        """The CSV text as bytes, unpacked where it is in a zip archive. Reads the whole file into memory.

        Raises:
            SourceError: no such file, not readable, or an archive that is broken or holds more than one file.
        """
        path = self.locate()
        try:
            return _unzip(path) if zipfile.is_zipfile(path) else path.read_bytes()
        except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
            raise SourceError(f"{path} cannot be read: {error}") from error


def _unzip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        members = [
            info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            names = ", ".join(info.filename for info in members) or "nothing"
            raise SourceError(f"{path} holds {names}; a zipped source holds exactly one CSV file")
        return archive.read(members[0])
