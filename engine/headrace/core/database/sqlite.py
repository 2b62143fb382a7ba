"""SQLite as the embedded index: one file, no server."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.core.database.failures import translate_failures
from headrace.core.database.reading import is_read_only, reading
from headrace.core.errors import CorruptedError

_TAKEN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
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
        _write_ahead(connection)
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


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite does not wait by itself while another process makes the same switch."""
    limit = time.monotonic() + BUSY_TIMEOUT_MS / 1_000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in _TAKEN or time.monotonic() > limit:
                raise
            time.sleep(random.uniform(0.001, 0.02))  # noqa: S311  spreads those that wait
        else:
            return
