"""The embedded database: one SQLite file, opened the same way everywhere.

The registry and the release ledger keep their tables in one database so that a promotion is one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.core.errors import CorruptedError

BUSY_TIMEOUT_MS = 10_000
_READ_ONLY = "headrace_read_only"


def open_database(path: Path) -> sa.Engine:
    """Open (and create) a SQLite database: write-ahead log, full sync, foreign keys, waiting writers.

    A transaction opens with BEGIN IMMEDIATE: a writer waits its turn instead of failing half-way. Readers that must not
    wait for writers (a server that polls) use `reading(engine)`, which takes no lock.

    Raises:
        CorruptedError: the file exists and is no SQLite database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{path}")

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin event below opens the transaction
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    try:
        with reading(engine) as connection:
            connection.exec_driver_sql("PRAGMA schema_version").fetchall()
    except sa.exc.DatabaseError as error:
        engine.dispose()
        raise CorruptedError(f"{path} is not a readable SQLite database: {error.orig}") from error
    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection that sees one consistent state and neither waits for a writer nor makes one wait."""
    with engine.execution_options(**{_READ_ONLY: True}).begin() as connection:
        yield connection


def forbid_changes(table: sa.Table) -> None:
    """Make a table append-only: triggers refuse UPDATE and DELETE from any client of the file.

    `INSERT OR REPLACE` deletes the row it replaces without firing a delete trigger, so an insert trigger refuses a row
    whose primary key, or other unique columns, are there already.
    """
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    unique = [one for one in table.constraints if isinstance(one, sa.PrimaryKeyConstraint | sa.UniqueConstraint)]
    same = sorted(" AND ".join(f"{column.name} = NEW.{column.name}" for column in one.columns) for one in unique)
    occupied = f"EXISTS (SELECT 1 FROM {table.name} WHERE {' OR '.join(same)})"  # noqa: S608  names from code
    for name, condition in (
        ("no_update", f"BEFORE UPDATE ON {table.name}"),
        ("no_delete", f"BEFORE DELETE ON {table.name}"),
        ("no_replace", f"BEFORE INSERT ON {table.name} WHEN {occupied}"),
    ):
        trigger = f"CREATE TRIGGER IF NOT EXISTS {table.name}_{name} {condition} {refuse}"
        sa.event.listen(table, "after_create", sa.DDL(trigger))  # type: ignore[no-untyped-call]
