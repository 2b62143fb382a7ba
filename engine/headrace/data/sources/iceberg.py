"""Iceberg tables as they stand: one metadata file, no catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import SourceError
from headrace.core.hashing import digest_json
from headrace.data.reading import BATCH_BYTES, Part
from headrace.data.sources.arrow_columns import arrow_parts, check_columns

if TYPE_CHECKING:
    from headrace.data.sources.csv import Prepare

_NUMBERED = re.compile(r"v?(\d+)[^/]*\.metadata\.json")


@dataclass(frozen=True)
class IcebergSource:
    """An Iceberg table, read through pyiceberg (extra `sources`).

    Attributes:
        path: its metadata file (`.../metadata/00003-....metadata.json`, also by URI), or the table's local folder,
            whose newest metadata file is taken.
        columns: types of the columns that are read, by name; None takes all.
        snapshot: its id; None is the current one.
        prepare: from the columns as declared to the table's columns, as in `CsvSource`.
        properties: pyiceberg's options, such as keys of an object store; never shown.

    Raises:
        DefinitionError: an unknown type.
    """

    path: str | Path
    columns: Mapping[str, str] | None = None
    snapshot: int | None = field(default=None, kw_only=True)
    prepare: Prepare | None = field(default=None, kw_only=True)
    properties: Mapping[str, str] | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        check_columns(self.columns, where="IcebergSource")

    def title(self) -> str:
        """The path."""
        return str(self.path)

    def content(self) -> str:
        """The metadata file and the snapshot that is read."""
        table = self._table()
        snapshot = table.current_snapshot()
        read = self.snapshot or (snapshot.snapshot_id if snapshot else None)
        return digest_json([read, str(table.metadata.table_uuid)])

    def size(self) -> int | None:
        """Not told."""
        return None

    def parts(self, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Part]:
        """Read the snapshot's files, batch by batch.

        Raises:
            SourceError: pyiceberg is not installed, no such table or snapshot, or a damaged file.
        """
        import pyarrow as pa

        table = self._table()
        name = str(self.path)
        names = [field.name for field in table.schema().fields]
        picked = tuple(self.columns) if self.columns is not None and set(self.columns) <= set(names) else ("*",)
        try:
            reader = table.scan(selected_fields=picked, snapshot_id=self.snapshot).to_arrow_batch_reader()
            yield from arrow_parts(reader, reader.schema, self.columns, name, batch_bytes)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise SourceError(f"{name} cannot be read: {error}") from error

    def _table(self) -> Any:
        try:
            from pyiceberg.table import StaticTable
        except ImportError as error:
            raise SourceError("an Iceberg table needs pyiceberg", hint="pip install 'headrace[sources]'") from error
        place = _metadata_file(self.path)
        try:
            return StaticTable.from_metadata(place, dict(self.properties or {}))
        except (OSError, ValueError) as error:
            raise SourceError(f"{place} is no Iceberg metadata that can be read: {error}") from error


def _metadata_file(path: str | Path) -> str:
    """The metadata file itself, or the newest one of a table's folder."""
    folder = Path(path)
    if not folder.is_dir():
        if "://" not in str(path) and not folder.is_file():
            raise SourceError(f"there is no Iceberg table {path}")
        return str(path)
    files = (folder / "metadata").glob("*.json")
    found = [(match, file) for file in files if (match := _NUMBERED.fullmatch(file.name))]
    if not found:
        raise SourceError(f"{folder} holds no metadata/*.metadata.json: it is no Iceberg table")
    return str(max(found, key=lambda item: int(item[0].group(1)))[1])
