"""Cheap marks of the registry's index: they differ whenever what may be read there differs."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, Protocol

import sqlalchemy as sa

from headrace.core.database import reading
from headrace.core.errors import UnavailableError

# Everything in the index is append-only, so counts and last numbers tell one state from every other.
_COUNTS = """
SELECT (SELECT count(*) FROM registry_versions), (SELECT max(sequence) FROM registry_alias_moves),
       (SELECT max(sequence) FROM registry_retention), (SELECT max(sequence) FROM release_events)
"""


class Revision(Protocol):
    """Watches one database; asked many times a second."""

    def look(self) -> Hashable:
        """The present mark.

        Raises:
            UnavailableError: it was closed.
        """
        ...

    def close(self) -> None:
        """Let go of the database; who asks from another thread meanwhile gets an error."""
        ...


def watch_revision(engine: sa.Engine) -> Revision:
    """Watch a database in the way it does best."""
    return _SqliteRevision(engine) if engine.dialect.name == "sqlite" else _CountedRevision(engine)


class _SqliteRevision:
    """SQLite's count of commits by other connections, which changes when a commit can be read, not before.

    Times and sizes of the files would change earlier: a look in between would miss the commit for good.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._connection: Any = engine.raw_connection()
        self._asking = threading.Lock()  # SQLite crashes where one thread closes what another one asks

    def look(self) -> Hashable:
        with self._asking:
            if self._connection is None:
                raise UnavailableError("the registry was closed")
            cursor = self._connection.cursor()
            try:
                return int(cursor.execute("PRAGMA data_version").fetchone()[0])
            finally:
                cursor.close()

    def close(self) -> None:
        with self._asking:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class _CountedRevision:
    """What the index holds, counted: a server tells nobody of another client's commits."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine: sa.Engine | None = engine

    def look(self) -> Hashable:
        if self._engine is None:
            raise UnavailableError("the registry was closed")
        with reading(self._engine) as connection:
            return tuple(connection.exec_driver_sql(_COUNTS).one())

    def close(self) -> None:
        self._engine = None
