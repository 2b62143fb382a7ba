"""The door to versioned tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from headrace.data.commit_log import read_log
from headrace.data.digests import digest_table
from headrace.data.store import merging, pins, tags, upkeep, writing
from headrace.data.store.stored import StoredTables
from headrace.data.store.versions import TableVersion, check_name, storable, table_version

if TYPE_CHECKING:
    import pyarrow as pa

KEEP = timedelta(days=30)
"""How long a version that is no longer current stays readable when nothing pins it."""

Lineage = Mapping[str, Any]


class TableStore(StoredTables):
    """Tables in one folder, a Delta table each.

    Invariants: a version's content never changes; readers see whole versions only, at any moment and after any crash;
    a transaction id is applied at most once. Everything that writes raises `InvalidInputError` for a name that is not
    allowed, `DefinitionError` for columns that are not, and `UnavailableError` where other writers won every attempt.
    """

    def write(self, name: str, table: pa.Table, *, transaction: str, lineage: Lineage | None = None) -> TableVersion:
        """Write the table's whole content as its next version.

        Args:
            name: lower-case letters, digits and underscores.
            table: columns of the vocabulary's types (others are widened where nothing is lost).
            transaction: names this write; a repeated name writes nothing and gives the version it made the first time.
            lineage: where the rows come from, JSON data.
        """
        check_name(name)
        return writing.write_once(self.root / name, table, transaction, lineage)

    def replace(self, name: str, table: pa.Table, *, lineage: Lineage | None = None) -> tuple[TableVersion, bool]:
        """Write the table's content as its next version, unless the newest version holds exactly this content.

        Returns:
            the newest version, and whether it was written now.
        """
        check_name(name)
        content = storable(table)
        digest = digest_table(content)
        newest = read_log(self.root / name).newest
        if newest is not None and newest.digest == digest.value:
            return table_version(name, newest), False
        transaction = f"replace:{newest.version if newest else 'none'}:{digest.value}"
        return writing.write_once(self.root / name, content, transaction, lineage, digest), True

    def writing(
        self, name: str, mode: writing.Mode = "replace", *, transaction: str, lineage: Lineage | None = None
    ) -> AbstractContextManager[writing.TableWriter]:
        """Open a streamed write: `write` any number of tables, then `commit`; without it nothing happened.

        Memory is bounded by a few parts of 262,144 rows, whatever comes. Rows of an append go behind those that are
        there; its columns may be new ones, or widen int64 to float64 (`headrace.data.store.evolution`).

        Args:
            name: the table.
            mode: `replace` or `append`.
            transaction: as in `write`.
            lineage: as in `write`.
        """
        check_name(name)
        return writing.writing(self.root / name, mode, transaction, lineage)

    def upsert(
        self, name: str, table: pa.Table, *, keys: Sequence[str], transaction: str, lineage: Lineage | None = None
    ) -> TableVersion:
        """Replace rows of the same key where they are, and append those whose key is new.

        Files without a matching row stay as they are. Rows that would not change do not make their part new.

        Args:
            name: the table.
            table: the table's columns; keys are unique and not null in it.
            keys: columns that name a row. Where several rows of the table have the key, all are replaced.
            transaction: as in `write`.
            lineage: as in `write`.
        """
        check_name(name)
        return merging.upsert(self.root / name, table, keys, transaction, lineage)

    def overwrite(
        self, name: str, table: pa.Table, *, where: Mapping[str, Any], transaction: str, lineage: Lineage | None = None
    ) -> TableVersion:
        """Replace one partition: rows that hold these values go, the given ones, which hold them too, are appended.

        Args:
            name: the table.
            table: the table's columns; without rows, the partition is emptied.
            where: a value for each column; None stands for a missing one.
            transaction: as in `write`.
            lineage: as in `write`.
        """
        check_name(name)
        return merging.overwrite(self.root / name, table, where, transaction, lineage)

    def tag(self, name: str, tag: str, *, version: int | None = None, note: str = "", move: bool = False) -> tags.Tag:
        """Name a version (None: the newest), which is then not vacuumed. A tag moves only where `move` says so.

        Raises:
            NotFoundError: no such table or version, or one that was vacuumed.
            AlreadyExistsError: the tag names another version.
        """
        self._find(name)
        return tags.set_tag(self.root / name, tag, version, note=note, move=move)

    def untag(self, name: str, tag: str) -> None:
        """Take a tag away.

        Raises:
            NotFoundError: no such table or tag.
        """
        self._find(name)
        tags.delete_tag(self.root / name, tag)

    def restore(
        self, name: str, *, version: int | None = None, at: datetime | None = None, transaction: str
    ) -> TableVersion:
        """Make the content of an old version the newest one again; what came between stays readable.

        Raises:
            NotFoundError: no such table or version, or one that was vacuumed.
        """
        self._find(name, version, at)
        return upkeep.restore(self.root / name, version, at, transaction)

    def compact(self, name: str) -> upkeep.Compaction:
        """Join neighbouring small files of the newest version. No version, digest or row order changes.

        Raises:
            NotFoundError: no such table.
        """
        self._find(name)
        return upkeep.compact(self.root / name)

    def vacuum(
        self,
        name: str,
        *,
        keep: timedelta = KEEP,
        pinned: Mapping[str, str] | None = None,
        now: datetime | None = None,
        is_dry: bool = False,
    ) -> upkeep.Vacuum:
        """Delete files that only versions need which nothing pins and which were current before `keep` ago.

        The newest version, tagged ones and those of a snapshot manifest in this store stay.

        Args:
            name: the table.
            keep: a version stays for so long after a newer one came.
            pinned: digests of content that somebody needs (a package), with the reason: versions that hold it stay.
            now: the time, UTC; None: the machine's.
            is_dry: only say what would go.

        Raises:
            NotFoundError: no such table.
        """
        self._find(name)
        path = self.root / name
        also = dict(pinned or {})
        return upkeep.vacuum(
            path, pins=lambda: pins.pins_of(path, also), keep=keep, now=now or datetime.now(UTC), is_dry=is_dry
        )
