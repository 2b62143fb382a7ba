"""Delta tables of other programs, as they stand; any version that their log still has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError, SourceError
from headrace.core.hashing import digest_json
from headrace.data.reading import BATCH_BYTES, Part
from headrace.data.sources.arrow_columns import arrow_parts, check_columns

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from headrace.data.sources.csv import Prepare


@dataclass(frozen=True)
class DeltaSource:
    """A Delta table; Headrace's own tables are read with `TableStore`, which checks their digests.

    Attributes:
        path: a folder, or a URI that delta-rs knows (`s3://`, `az://`, `gs://`).
        columns: types of the columns that are read, by name; None takes all.
        version: which one; None is the newest.
        at: the version that was the newest at this time (with a zone); not with `version`.
        prepare: from the columns as declared to the table's columns, as in `CsvSource`.
        after: (column, value): only rows with a greater value; files that hold none are skipped.
        storage: delta-rs' options for an object store, such as keys; never shown.

    Raises:
        DefinitionError: an unknown type, both `version` and `at`, or `at` without a zone.
    """

    path: str
    columns: Mapping[str, str] | None = None
    version: int | None = field(default=None, kw_only=True)
    at: datetime | None = field(default=None, kw_only=True)
    prepare: Prepare | None = field(default=None, kw_only=True)
    after: tuple[str, Any] | None = field(default=None, kw_only=True)
    storage: Mapping[str, str] | None = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        check_columns(self.columns, where="DeltaSource")
        if self.version is not None and self.at is not None:
            raise DefinitionError("a DeltaSource takes a version or a time, not both")
        if self.at is not None and self.at.tzinfo is None:
            raise DefinitionError(f"at={self.at} has no time zone: nobody knows which moment it means")

    def title(self) -> str:
        """The path."""
        return str(self.path)

    def content(self) -> str:
        """The version's number and the files it names."""
        table = self._table()
        return digest_json([table.version(), sorted(table.file_uris())])

    def size(self) -> int | None:
        """Not told."""
        return None

    def beyond(self, column: str, value: Any) -> DeltaSource:
        """The same source without rows whose column is not greater than a value."""
        return replace(self, after=(column, value))

    def parts(self, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Part]:
        """Read the version's files, batch by batch.

        Raises:
            SourceError: no such table or version, a damaged file, or a table feature that delta-rs does not read.
        """
        import pyarrow as pa
        import pyarrow.dataset as ds
        from deltalake.exceptions import DeltaError

        name = f"{self.path} version {(table := self._table()).version()}"
        try:
            dataset = table.to_pyarrow_dataset()
            wanted = None
            if self.columns is not None:
                missing = [column for column in self.columns if column not in dataset.schema.names]
                wanted = None if missing else list(self.columns)
            keep = ds.field(self.after[0]) > pa.scalar(self.after[1]) if self.after else None
            schema = dataset.schema
            if wanted is not None:
                schema = pa.schema([schema.field(column) for column in wanted])
            scanner = dataset.scanner(columns=wanted, filter=keep, batch_readahead=2, fragment_readahead=1)
            yield from arrow_parts(scanner.to_batches(), schema, self.columns, name, batch_bytes)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise SourceError(f"{name} cannot be read: {error}") from error

    def _table(self) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            table = DeltaTable(str(self.path), version=self.version, storage_options=dict(self.storage or {}) or None)
            if self.at is not None:
                table.load_as_version(self.at)
        except (DeltaError, OSError) as error:
            raise SourceError(f"{self.path} is no Delta table that can be read: {error}") from error
        return table
