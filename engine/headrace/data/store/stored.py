"""What a store's readers see: versions, their rows, and what changed between them. Readers take no lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.core.errors import NotFoundError, did_you_mean
from headrace.data.commit_log import read_commits, read_log
from headrace.data.store.changes import changes
from headrace.data.store.reading import PartsToRead
from headrace.data.store.tags import Tag, read_tags
from headrace.data.store.versions import (
    TABLE_NAME,
    Snapshot,
    TableVersion,
    VersionRecord,
    check_present,
    find_commit,
    table_version,
    version_record,
)
from headrace.data.types import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.data.commit_facts import Commit
    from headrace.data.commit_log import TableLog


class StoredTables:
    """Tables in one folder, to be read."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def names(self) -> list[str]:
        """Tables that have at least one version, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(
            item.name for item in self.root.iterdir() if TABLE_NAME.fullmatch(item.name) and read_commits(item)
        )

    def read(
        self, name: str, *, version: int | None = None, at: datetime | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Read a version and check it against the digests it was written with.

        Args:
            name: the table.
            version: its number; None is the latest.
            at: instead, the version that was the newest at this time (with a zone).
            columns: None is all, in their stored order; otherwise these, in this order.

        Returns:
            the rows in the order they were written.

        Raises:
            NotFoundError: no such table, version or column, or a version that was vacuumed.
            CorruptedError: the files do not hold what was written.
        """
        import pyarrow as pa

        parts = self.parts(name, version=version, at=at, columns=columns)
        schema = pa.schema([(column, arrow_type(dtype)) for column, dtype in parts.dtypes.items()])
        return pa.concat_tables([pa.Table.from_batches([], schema), *parts.tables()])

    def scan(
        self,
        name: str,
        *,
        version: int | None = None,
        at: datetime | None = None,
        columns: Sequence[str] | None = None,
        check: bool = True,
    ) -> Iterator[pa.RecordBatch]:
        """Read a version as `read` does, batch by batch, in memory of about two parts of 262,144 rows.

        Args:
            name: the table.
            version: as in `read`.
            at: as in `read`.
            columns: as in `read`.
            check: whether digests are compared; whoever scans a second time need not.
        """
        parts = self.parts(name, version=version, at=at, columns=columns, check=check)
        return (batch for table in parts.tables() for batch in table.to_batches())

    def changes(self, name: str, *, since: int | None, until: int | None = None) -> Iterator[pa.Table]:
        """Rows that versions behind `since` up to `until` inserted, updated and deleted, oldest version first.

        Args:
            name: the table.
            since: a version, not included; None: from the first one on.
            until: a version, included; None: the newest.

        Returns:
            the table's columns and `_change_type` (insert, update_preimage, update_postimage, delete),
            `_commit_version` and `_commit_timestamp`.

        Raises:
            NotFoundError: no such table or version, or one on the way was vacuumed.
            CorruptedError: the files do not hold what was written.
        """
        log, last = self._find(name, until)
        first = find_commit(name, log, since, None) if since is not None else None
        low = first.version if first else -1
        for commit in log.commits:
            if low <= commit.version <= last.version:
                check_present(name, log, commit)
        return changes(log, first, last)

    def versions(self, name: str) -> list[TableVersion]:
        """All versions, oldest first.

        Raises:
            NotFoundError: no such table.
        """
        log, _ = self._find(name)
        return [table_version(name, commit) for commit in log.commits]

    def history(self, name: str) -> list[VersionRecord]:
        """How each version came to be, oldest first.

        Raises:
            NotFoundError: no such table.
        """
        log, _ = self._find(name)
        return [version_record(name, commit, log) for commit in log.commits]

    def latest(self, name: str) -> TableVersion:
        """The newest version.

        Raises:
            NotFoundError: no such table.
        """
        return self.find(name)

    def find(self, name: str, *, version: int | None = None, at: datetime | None = None) -> TableVersion:
        """A version by its number, or the one that was the newest at a time.

        Raises:
            NotFoundError: no such table or version.
        """
        return table_version(name, self._find(name, version, at)[1])

    def snapshot(self, names: Sequence[str]) -> Snapshot:
        """The newest versions of these tables, named so that they can be read again.

        Raises:
            NotFoundError: no such table.
        """
        return Snapshot({name: self.latest(name) for name in names})

    def tags(self, name: str) -> dict[str, Tag]:
        """The table's tags, by name."""
        self._find(name)
        return read_tags(self.root / name)

    def parts(
        self,
        name: str,
        *,
        version: int | None = None,
        at: datetime | None = None,
        columns: Sequence[str] | None = None,
        check: bool = True,
    ) -> PartsToRead:
        """The parts of a version, to be read one by one: what `read` and `scan` are made of.

        Raises:
            NotFoundError: no such table, version or column, or a version that was vacuumed.
        """
        log, commit = self._find(name, version, at)
        check_present(name, log, commit)
        wanted = list(columns) if columns is not None else list(commit.dtypes)
        for column in wanted:
            if column not in commit.dtypes:
                raise NotFoundError(
                    f"table '{name}' has no column '{column}'; it has: {', '.join(commit.dtypes)}",
                    hint=did_you_mean(column, commit.dtypes),
                )
        title = f"table '{name}' version {commit.version}"
        return PartsToRead(title, log, commit.parts, {column: commit.dtypes[column] for column in wanted}, check)

    def _find(self, name: str, version: int | None = None, at: datetime | None = None) -> tuple[TableLog, Commit]:
        log = read_log(self.root / name)
        if not log.commits:
            known = self.names()
            raise NotFoundError(
                f"there is no table '{name}' in {self.root}; it has: {', '.join(known) or 'none'}",
                hint=did_you_mean(name, known),
            )
        return log, find_commit(name, log, version, at)
