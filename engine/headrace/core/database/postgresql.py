"""PostgreSQL as the index that several machines share."""

from __future__ import annotations

import sqlalchemy as sa

from headrace.core.database.failures import first_line, translate_failures
from headrace.core.database.reading import is_read_only, reading
from headrace.core.errors import InvalidInputError, UnavailableError, UnimplementedError

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_MS = 60_000
IDLE_TIMEOUT_MS = 60_000
"""A writer that was stopped, or whose machine is gone, loses the write lock after this long without a statement."""

WRITE_LOCK = 0x68656164  # "head", in the space of advisory locks of one database
_READ = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_WRITE = f"SELECT pg_advisory_xact_lock({WRITE_LOCK})"


def open_postgresql(uri: str) -> sa.Engine:
    """Connect to a PostgreSQL database.

    A write transaction takes one advisory lock first and holds it to its end, so writers take turns, in the order they
    came, and none is refused for another's sake; each statement then sees everything committed before. Readers see one
    snapshot and take no lock. Every commit is durable (`synchronous_commit`) when it returns.

    Raises:
        InvalidInputError: the URI cannot be parsed.
        UnimplementedError: psycopg is not installed.
        UnavailableError: no server answers there, or it refuses the user.
    """
    url = parse_url(uri)
    shown = url.set(drivername="postgresql").render_as_string(hide_password=True)
    options = f"-c lock_timeout={LOCK_TIMEOUT_MS} -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_MS}"
    options = f"{options} -c synchronous_commit=on -c default_transaction_isolation=read\\ committed"
    arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "headrace", "options": options}
    try:
        engine = sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, hide_parameters=True)
    except ImportError as error:
        raise UnimplementedError(f"{shown} needs psycopg", hint="pip install 'headrace[postgres]'") from error

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(_READ if is_read_only(connection) else _WRITE)

    try:
        with reading(engine) as connection:
            connection.exec_driver_sql("SELECT 1")
    except sa.exc.DBAPIError as error:
        engine.dispose()
        raise UnavailableError(
            f"{shown} cannot be used: {_first_line(error, url)}", hint="is the server up, and may this user log in?"
        ) from error
    translate_failures(engine, shown)
    return engine


def parse_url(uri: str) -> sa.URL:
    """Read a URI, `postgres://` included.

    Raises:
        InvalidInputError: the text is no such URI.
    """
    try:
        url = sa.make_url(uri)
    except (sa.exc.ArgumentError, ValueError) as error:
        # The text is not repeated: it may hold a password, and it is not known where.
        raise InvalidInputError(
            "the database's URI cannot be read", hint="write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from error
    return url.set(drivername="postgresql+psycopg")


def _first_line(error: sa.exc.DBAPIError, url: sa.URL) -> str:
    line = first_line(error.orig or error)
    return line.replace(str(url.password), "***") if url.password else line
