"""SQLite as the embedded index: one file, no server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.core.database.failures import translate_failures
from headrace.core.database.reading import is_read_only, reading
from headrace.core.errors import CorruptedError

BUSY_TIMEOUT_MS = 60_000
"""SQLite wakes waiting writers by polling, in no order: with 16 writers one may find the file busy for seconds."""


def open_sqlite(path: Path) -> sa.Engine:
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
        connection.exec_driver_sql("BEGIN" if is_read_only(connection) else "BEGIN IMMEDIATE")

    try:
        with reading(engine) as connection:
            connection.exec_driver_sql("PRAGMA schema_version").fetchall()
    except sa.exc.DatabaseError as error:
        engine.dispose()
        raise CorruptedError(f"{path} is not a readable SQLite database: {error.orig}") from error
    translate_failures(engine, str(path))
    return engine
