"""Which database a place names."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa

from headrace.core.database.postgresql import open_postgresql, parse_url
from headrace.core.database.reading import reading
from headrace.core.database.sqlite import open_sqlite
from headrace.core.errors import InvalidInputError, did_you_mean

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")


def open_database(place: Path | str) -> sa.Engine:
    """Open a database, and create it where it is a file that is not there.

    Args:
        place: a SQLite file (`registry.db`, `sqlite:///registry.db`), or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Raises:
        InvalidInputError: a URI of another kind, or one that cannot be read.
        CorruptedError: the file exists and is no SQLite database.
        UnimplementedError: PostgreSQL is named and its driver is not installed.
        UnavailableError: PostgreSQL does not answer, or refuses the user.
    """
    file = sqlite_file(place)
    return open_sqlite(file) if file is not None else open_postgresql(str(place))


def database_exists(place: Path | str) -> bool:
    """Whether a database may be opened without making one: an existing file, or any server."""
    file = sqlite_file(place)
    return file is None or file.is_file()


def sqlite_file(place: Path | str) -> Path | None:
    """The file of a SQLite database; None where a server is named.

    Raises:
        InvalidInputError: a URI of another kind.
    """
    scheme = _SCHEME.match(place) if isinstance(place, str) else None
    if scheme is None:
        return Path(place)
    if scheme[1] == "sqlite":
        file = str(place).removeprefix("sqlite://").removeprefix("/")
        if not file:
            raise InvalidInputError("sqlite:// names no file", hint="write sqlite:///registry.db, or the path alone")
        return Path(file)
    if scheme[1] not in _POSTGRESQL:
        raise InvalidInputError(
            f"a registry cannot be in '{scheme[1]}://'; allowed: a file, sqlite:///, postgresql://",
            hint=did_you_mean(scheme[1], ("sqlite", "postgresql")),
        )
    return None


def redacted(place: Path | str) -> str:
    """A place for messages: a URI without its password."""
    if sqlite_file(place) is not None:
        return str(place)
    return parse_url(str(place)).set(drivername="postgresql").render_as_string(hide_password=True)


def ensure_tables(engine: sa.Engine, metadata: sa.MetaData) -> None:
    """Create the tables that are missing; where none is, nothing is locked and no right to create is needed."""
    with reading(engine) as connection:
        there = set(sa.inspect(connection).get_table_names())
    if not set(metadata.tables) <= there:
        with engine.begin() as connection:
            metadata.create_all(connection)
