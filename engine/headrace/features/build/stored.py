"""A version of a table in a store, as a build reads it: pinned by number and digest, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import DefinitionError
from headrace.data.types import conform
from headrace.features.build.sources import BATCH_ROWS, estimated_bytes

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.data import TableStore


@dataclass(frozen=True, eq=False)
class StoredSource:
    """One version of a stored table. A build reads it more than once, and compares no digests: whoever validated did.

    Attributes:
        store: the tables.
        name: the table's name in the store.
        version: the version.
    """

    store: TableStore
    name: str
    version: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.store.find(self.name, version=self.version).rows

    @property
    def dtypes(self) -> dict[str, str]:
        """Vocabulary type of each column."""
        return dict(self.store.parts(self.name, version=self.version).dtypes)

    @property
    def digest(self) -> str:
        """The version's digest."""
        return self.store.find(self.name, version=self.version).digest

    def size_bytes(self, columns: Sequence[str]) -> int:
        """About how much memory the columns take."""
        return estimated_bytes(self, columns)

    def batches(self, dtypes: Mapping[str, str], *, rows: int = BATCH_ROWS) -> Iterator[pa.Table]:
        """Read part by part; columns that the version lacks are an error that names the table."""
        present = [name for name in dtypes if name in self.dtypes]
        parts = self.store.parts(self.name, version=self.version, columns=present, check=False)
        for table in parts.tables():
            for first in range(0, table.num_rows, rows):
                try:
                    yield conform(table.slice(first, rows), dtypes)
                except DefinitionError as error:
                    raise DefinitionError(f"table '{self.name}': {error.message}", hint=error.hint) from error
