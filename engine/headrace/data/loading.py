"""Where prepared rows go: a table that they replace, grow, or change by key."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from headrace.data.commit_log import read_commits
from headrace.data.digests import digest_table
from headrace.data.preparation.duplicates import Deduplicate
from headrace.data.preparation.loads import Load, value_from_json
from headrace.data.store import TableStore, TableVersion
from headrace.data.types import conform

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_THAT_STAY = ("append", "upsert", "overwrite")


class Target(Protocol):
    """Takes rows; nothing of them shows before `commit`."""

    def write(self, table: pa.Table) -> None:
        """Take rows; all tables have the same columns, and at least one comes."""
        ...

    def commit(self) -> tuple[TableVersion, bool]:
        """The newest version, durable, and whether it was made now."""
        ...


class _Opened:
    """Holds what has to be closed."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


class Replacing(_Opened):
    """Gives a table this content, unless it has exactly this content already."""

    def __init__(self, store: TableStore, name: str, lineage: Mapping[str, Any]) -> None:
        super().__init__()
        self._store, self._name, self._lineage = store, name, lineage
        self._first: pa.Table | None = None
        self._writer: Any = None

    def write(self, table: pa.Table) -> None:
        """Take rows; the first ones wait for others, since few rows need no stream."""
        if self._first is None:
            self._first = table
            return
        if self._writer is None:
            opened = self._store.writing(
                self._name, "replace", transaction=f"ingest:{uuid.uuid4()}", lineage=self._lineage
            )
            self._writer = self._stack.enter_context(opened)
            self._writer.write(self._first)
        self._writer.write(table)

    def commit(self) -> tuple[TableVersion, bool]:
        """Write the version, or find that it is there."""
        assert self._first is not None, "a source gives at least one piece"
        if self._writer is None:
            return self._store.replace(self._name, self._first, lineage=self._lineage)
        same = self._writer.unchanged()
        return (same, False) if same is not None else (self._writer.commit(), True)


class Appending(_Opened):
    """Puts rows behind those that are there."""

    def __init__(self, store: TableStore, name: str, transaction: str, lineage: Mapping[str, Any]) -> None:
        super().__init__()
        self._store, self._name = store, name
        self._writer = self._stack.enter_context(
            store.writing(name, "append", transaction=transaction, lineage=lineage)
        )
        self._known = name in store.names()
        self._rows = 0

    @property
    def is_done(self) -> bool:
        """Whether this transaction was made before."""
        return self._writer.made is not None

    def write(self, table: pa.Table) -> None:
        """Take rows; what has none says nothing of a table that is there: SQLite knows no types without rows."""
        self._rows += table.num_rows
        if table.num_rows or not self._known:
            self._writer.write(table)

    def commit(self) -> tuple[TableVersion, bool]:
        """Write the version; nothing is written where no row came to a table that is there."""
        if self.is_done or (not self._rows and self._known):
            return self._store.latest(self._name), False
        return self._writer.commit(), True


class Upserting(_Opened):
    """Replaces rows of the same key and appends the others. What comes is held in memory: one commit, one look."""

    def __init__(self, store: TableStore, name: str, load: Load, lineage: Mapping[str, Any]) -> None:
        super().__init__()
        self._store, self._name, self._load, self._lineage = store, name, load, lineage
        self._tables: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        """Take rows."""
        self._tables.append(table)

    def commit(self) -> tuple[TableVersion, bool]:
        """Write the version; nothing is written where the table already has these rows."""
        import polars as pl
        import pyarrow as pa

        table = pa.concat_tables(self._tables)
        known = self._name in self._store.names()
        if not table.num_rows and known:
            return self._store.latest(self._name), False
        rule = Deduplicate(self._load.keys)
        stay = rule.winners([pl.DataFrame(table.select(rule.columns))])
        table = table.filter(pl.Series(stay).to_arrow()) if not stay.all() else table
        before = self._store.latest(self._name) if known else None
        number = before.version if before is not None else "none"
        transaction = self._load.transaction or f"upsert:{number}:{digest_table(table).value}"
        version = self._store.upsert(
            self._name, table, keys=self._load.keys, transaction=transaction, lineage=self._lineage
        )
        return version, before is None or version.digest != before.digest


def open_target(
    store: TableStore, name: str, load: Load, transaction: str, lineage: Mapping[str, Any]
) -> AbstractContextManager[Replacing | Appending | Upserting]:
    """The target that a load asks for."""
    if load.mode == "append":
        return Appending(store, name, transaction, lineage)
    return Upserting(store, name, load, lineage) if load.mode == "upsert" else Replacing(store, name, lineage)


def add_rejected(store: TableStore, name: str, rejected: pa.Table) -> None:
    """Add rows to a quarantine that are not in it yet."""
    import polars as pl

    keys = ["source_file", "line_number", "raw_line", "reason"]
    new = pl.DataFrame(rejected).unique(keys, maintain_order=True)
    if name in store.names():
        new = new.join(pl.DataFrame(store.read(name)), on=keys, how="anti", maintain_order="left")
    if new.height:
        store.upsert(name, conform(new.to_arrow()), keys=keys, transaction=f"rejected:{uuid.uuid4()}")


def highest_ingested(store: TableStore, name: str, column: str) -> tuple[Any, str]:
    """The watermark that the table's newest content was loaded up to, None where there is none, and its place.

    A version that was restored has the watermark it had; a replaced content has none. The place names the version that
    the next load continues: two loads that name the same one are one load.
    """
    commits = read_commits(store.root / name)
    place, anchor = len(commits) - 1, ""
    while place >= 0:
        commit = commits[place]
        watermark = (commit.lineage or {}).get("watermark") or {}
        if watermark.get("column") == column:
            return value_from_json(watermark["value"]), anchor or str(commit.version)
        if commit.operation == "restore":
            anchor = anchor or str(commit.version)
            number = commit.details.get("version")
            place = next((at for at in range(place) if commits[at].version == number), -1)
        elif commit.operation in ROWS_THAT_STAY:
            place -= 1
        else:
            return None, anchor or str(commit.version)
    return None, anchor or "none"
