"""Versions as callers see them, and how one is named: by number, by time, or by neither for the newest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError, InvalidInputError, NotFoundError
from headrace.core.hashing import digest_json
from headrace.data.types import conform

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.data.commit_facts import Commit
    from headrace.data.commit_log import TableLog

TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class TableVersion:
    """One version of a table.

    Attributes:
        name: the table.
        version: counts from 0; compaction and vacuum take numbers too, and make no version.
        digest: of the content; independent of the file layout.
        rows: number of rows.
    """

    name: str
    version: int
    digest: str
    rows: int


@dataclass(frozen=True)
class VersionRecord:
    """How a version came to be.

    Attributes:
        version: what it is.
        operation: write, append, upsert, overwrite or restore.
        at: when it was committed, UTC.
        transaction: the id it was written under.
        dtypes: vocabulary type of each column, in column order.
        details: what the operation was given (keys, where, version), JSON data.
        lineage: where its rows came from, JSON data; None: not told.
        is_gone: its files were vacuumed.
    """

    version: TableVersion
    operation: str
    at: datetime
    transaction: str
    dtypes: Mapping[str, str]
    details: Mapping[str, Any]
    lineage: Mapping[str, Any] | None
    is_gone: bool


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


def table_version(name: str, commit: Commit) -> TableVersion:
    """A commit as callers see it."""
    return TableVersion(name, commit.version, commit.digest, commit.rows)


def version_record(name: str, commit: Commit, log: TableLog) -> VersionRecord:
    """How a commit came to be, as callers see it."""
    return VersionRecord(
        table_version(name, commit),
        commit.operation,
        commit.at,
        commit.transaction,
        commit.dtypes,
        commit.details,
        commit.lineage,
        commit.version in log.gone,
    )


def find_commit(name: str, log: TableLog, version: int | None, at: datetime | None) -> Commit:
    """The version with a number, the newest one at a time, or the newest of all; its files may be gone.

    Raises:
        InvalidInputError: both a number and a time are given, or the time has no zone.
        NotFoundError: there is no such version.
    """
    if version is not None and at is not None:
        raise InvalidInputError("a version is named by its number or by a time, not by both")
    newest = log.commits[-1]
    if version is not None:
        if version in log.by_version:
            return log.by_version[version]
        upkeep = version in {number for number, _ in log.upkeep}
        raise NotFoundError(
            f"table '{name}' has no version {version}; it has {log.commits[0].version} to {newest.version}",
            hint=f"{version} is a compaction or vacuum, which changes no content" if upkeep else None,
        )
    if at is None:
        return newest
    if at.tzinfo is None:
        raise InvalidInputError(f"the time {at.isoformat()} has no zone; say which one: {at.isoformat()}+00:00 is UTC")
    found = None
    latest = log.commits[0].at
    for commit in log.commits:
        latest = max(latest, commit.at)  # clocks go back; the order of versions does not
        if latest <= at:
            found = commit
    if found is None:
        raise NotFoundError(
            f"table '{name}' had no version at {at.isoformat()}; its first is of {log.commits[0].at.isoformat()}"
        )
    return found


def check_present(name: str, log: TableLog, commit: Commit) -> None:
    """Refuse a version whose files were vacuumed.

    Raises:
        NotFoundError: they were.
    """
    if commit.version in log.gone:
        kept = [str(other.version) for other in log.commits if other.version not in log.gone]
        raise NotFoundError(
            f"version {commit.version} of table '{name}' was vacuumed; kept are: {', '.join(kept)}",
            hint="a tag or a snapshot keeps a version from being vacuumed",
        )


def check_name(name: str) -> None:
    """Refuse what is no table's name.

    Raises:
        InvalidInputError: it is not lower-case letters, digits and underscores, a letter first.
    """
    if not TABLE_NAME.fullmatch(name):
        raise InvalidInputError(f"'{name}' is no table name; use a-z, 0-9 and _, beginning with a letter")


def storable(table: pa.Table) -> pa.Table:
    """The table as it is stored: one Arrow type a name, and names that Delta can hold.

    Raises:
        DefinitionError: no columns, a type that tables do not hold, or names that differ in case alone.
    """
    content = conform(table)
    check_columns(content.column_names)
    return content


def check_columns(names: list[str]) -> None:
    """Refuse column names that Delta does not tell apart.

    Raises:
        DefinitionError: there are none, or two differ in case alone.
    """
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.lower(), name)
        if twin != name:
            raise DefinitionError(f"columns '{twin}' and '{name}' differ in case alone; Delta does not tell them apart")
    if not seen:
        raise DefinitionError("a table needs at least one column")
