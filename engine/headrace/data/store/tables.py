"""Versioned tables on Delta: a write is all or nothing, a version is for ever, a read says which bits it gave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import CorruptedError, DefinitionError, InvalidInputError, NotFoundError, did_you_mean
from headrace.core.hashing import digest_json
from headrace.data.commit_log import Commit, read_commits
from headrace.data.commits import commit_table
from headrace.data.digests import digest_column, digest_table
from headrace.data.types import arrow_type, conform

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class TableVersion:
    """One version of a table.

    Attributes:
        name: the table.
        version: counts from 0.
        digest: of the content; independent of the file layout.
        rows: number of rows.
    """

    name: str
    version: int
    digest: str
    rows: int


@dataclass(frozen=True)
class Snapshot:
    """The versions a result was computed from.

    Attributes:
        tables: by name.
    """

    tables: Mapping[str, TableVersion]

    @property
    def digest(self) -> str:
        """One digest over names and content; a new version with the same content does not change it."""
        return digest_json({name: version.digest for name, version in self.tables.items()})

    def to_json(self) -> dict[str, Any]:
        """JSON data for lineage: name, version, digest and rows of every table."""
        return {name: vars(version) for name, version in sorted(self.tables.items())}


class TableStore:
    """Tables in one folder, a Delta table each.

    Invariants: a version's content never changes; readers see whole versions only, at any moment and after any crash;
    a transaction id is applied at most once.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def names(self) -> list[str]:
        """Tables that have at least one version, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if _NAME.fullmatch(path.name) and read_commits(path))

    def write(self, name: str, table: pa.Table, *, transaction: str) -> TableVersion:
        """Write the table's whole content as its next version.

        Args:
            name: lower-case letters, digits and underscores.
            table: columns of the vocabulary's types (others are widened where nothing is lost).
            transaction: names this write; a repeated name writes nothing and gives the version it made the first time.

        Raises:
            InvalidInputError: the name is not allowed.
            DefinitionError: a column has a type that tables do not hold.
            UnavailableError: other writers won every attempt.
        """
        _check_name(name)
        content = _storable(table)
        commit = commit_table(self.root / name, content, digest=digest_table(content), transaction=transaction)
        return _version(name, commit)

    def replace(self, name: str, table: pa.Table) -> tuple[TableVersion, bool]:
        """Write the table's content as its next version, unless the newest version holds exactly this content.

        Returns:
            the newest version, and whether it was written now.

        Raises:
            InvalidInputError: the name is not allowed.
            DefinitionError: a column has a type that tables do not hold.
            UnavailableError: other writers won every attempt.
        """
        _check_name(name)
        content = _storable(table)
        digest = digest_table(content)
        commits = read_commits(self.root / name)
        if commits and commits[-1].digest == digest.value:
            return _version(name, commits[-1]), False
        transaction = f"replace:{commits[-1].version if commits else 'none'}:{digest.value}"
        commit = commit_table(self.root / name, content, digest=digest, transaction=transaction)
        return _version(name, commit), True

    def read(self, name: str, *, version: int | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a version and check it against the digest it was written with.

        Args:
            name: the table.
            version: None is the latest.
            columns: None is all, in their stored order; otherwise these, in this order.

        Returns:
            the rows in the order they were written.

        Raises:
            NotFoundError: no such table, version or column.
            CorruptedError: the files do not hold what was written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        commit = self._commit(name, version)
        wanted = list(columns) if columns is not None else list(commit.columns)
        for column in wanted:
            if column not in commit.columns:
                raise NotFoundError(
                    f"table '{name}' has no column '{column}'; it has: {', '.join(commit.columns)}",
                    hint=did_you_mean(column, commit.columns),
                )
        try:
            parts = [pq.ParquetFile(self.root / name / file).read(columns=wanted) for file in commit.files]
            table = conform(pa.concat_tables(parts).select(wanted)) if parts else _empty(commit).select(wanted)
        except (OSError, pa.ArrowException) as error:
            raise CorruptedError(f"table '{name}' version {commit.version} cannot be read: {error}") from error
        for column in wanted:
            found = digest_column(table.column(column))
            if found != commit.columns[column] or table.num_rows != commit.rows:
                raise CorruptedError(
                    f"table '{name}' version {commit.version} was altered: column '{column}' has digest {found[:8]}, "
                    f"written as {commit.columns[column][:8]}",
                    hint="ingest the source again, or restore the table's folder from a backup",
                )
        return table

    def versions(self, name: str) -> list[TableVersion]:
        """All versions, oldest first.

        Raises:
            NotFoundError: no such table.
        """
        self._commit(name, None)
        return [_version(name, commit) for commit in read_commits(self.root / name)]

    def latest(self, name: str) -> TableVersion:
        """The newest version.

        Raises:
            NotFoundError: no such table.
        """
        return _version(name, self._commit(name, None))

    def snapshot(self, names: Sequence[str]) -> Snapshot:
        """The newest versions of these tables, named so that they can be read again.

        Raises:
            NotFoundError: no such table.
        """
        return Snapshot({name: self.latest(name) for name in names})

    def _commit(self, name: str, version: int | None) -> Commit:
        commits = read_commits(self.root / name)
        if not commits:
            known = self.names()
            raise NotFoundError(
                f"there is no table '{name}' in {self.root}; it has: {', '.join(known) or 'none'}",
                hint=did_you_mean(name, known),
            )
        if version is None:
            return commits[-1]
        for commit in commits:
            if commit.version == version:
                return commit
        raise NotFoundError(f"table '{name}' has no version {version}; it has 0 to {commits[-1].version}")


def _storable(table: pa.Table) -> pa.Table:
    """The table as it is stored: one Arrow type a name, and names that Delta can hold.

    Raises:
        DefinitionError: no columns, a type that tables do not hold, or names that differ in case alone.
    """
    content = conform(table)
    seen: dict[str, str] = {}
    for name in content.column_names:
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise DefinitionError(f"columns '{twin}' and '{name}' differ in case alone; Delta does not tell them apart")
    if not seen:
        raise DefinitionError("a table needs at least one column")
    return content


def _empty(commit: Commit) -> pa.Table:
    """The columns of a version without rows: it has no file."""
    import pyarrow as pa

    return pa.schema([(name, arrow_type(dtype)) for name, dtype in commit.dtypes.items()]).empty_table()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"'{name}' is no table name; use a-z, 0-9 and _, beginning with a letter")


def _version(name: str, commit: Commit) -> TableVersion:
    return TableVersion(name, commit.version, commit.digest, commit.rows)
