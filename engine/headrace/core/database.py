"""The embedded database: one SQLite file, opened the same way everywhere.

The registry and the release ledger keep their tables in one database so that a promotion is one transaction.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.core.errors import CorruptedError

BUSY_TIMEOUT_MS = 10_000


def open_database(path: Path) -> sa.Engine:
    """Open (and create) a SQLite database: write-ahead log, full sync, foreign keys, waiting writers.

    Every transaction is opened with BEGIN IMMEDIATE: a writer waits its turn instead of failing half-way.

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
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA schema_version").fetchall()
    except sa.exc.DatabaseError as error:
        engine.dispose()
        raise CorruptedError(f"{path} is not a readable SQLite database: {error.orig}") from error
    return engine


def forbid_changes(table: sa.Table) -> None:
    """Make a table append-only: triggers refuse UPDATE and DELETE from any client of the file."""
    for action in ("UPDATE", "DELETE"):
        trigger = sa.DDL(
            f"CREATE TRIGGER IF NOT EXISTS {table.name}_no_{action.lower()} BEFORE {action} ON {table.name} "
            f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
        )
        sa.event.listen(table, "after_create", trigger)
