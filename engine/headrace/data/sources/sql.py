"""Rows of a database through ADBC: Arrow straight from SQLite or PostgreSQL, no row objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headrace.core.errors import DefinitionError, SourceError
from headrace.data.reading import BATCH_BYTES, Part
from headrace.data.sources.arrow_columns import arrow_parts, check_columns

if TYPE_CHECKING:
    from headrace.data.sources.csv import Prepare

SCHEMES = {"sqlite": "adbc_driver_sqlite", "postgresql": "adbc_driver_postgresql", "postgres": "adbc_driver_postgresql"}
FETCH_ROWS = 65_536
FETCH_BYTES = 8 << 20


@dataclass(frozen=True)
class SqlSource:
    """The result of a query.

    Attributes:
        uri: `sqlite:///relative.db`, `sqlite:////absolute.db`, or `postgresql://user@host/database`. Passwords are best
            left to libpq's own files and variables; messages show none.
        query: one SELECT. Say ORDER BY where the order of rows matters: a database promises none.
        columns: types of the columns that are read, by name; None takes all. What has no vocabulary type (numeric,
            timestamp without zone, date) is declared `string` and read by a `Preparation`. SQLite has no types but
            those of the rows that come first.
        parameters: for the query's placeholders (`?` in SQLite, `$1` in PostgreSQL).
        prepare: from the columns as declared to the table's columns, as in `CsvSource`.
        after: (column, value): only rows with a greater value; the database does not send the others.

    Raises:
        DefinitionError: a URI of another database, an empty query, or an unknown type.
    """

    uri: str = field(repr=False)
    query: str
    columns: Mapping[str, str] | None = None
    parameters: Sequence[Any] = ()
    prepare: Prepare | None = field(default=None, kw_only=True)
    after: tuple[str, Any] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self._scheme not in SCHEMES:
            raise DefinitionError(
                f"'{self.title()}' is no database that is known", hint="sqlite:///..., postgresql://..."
            )
        if not self.query.strip():
            raise DefinitionError("a SqlSource needs a query, such as SELECT * FROM events")
        check_columns(self.columns, where="SqlSource")

    @property
    def _scheme(self) -> str:
        return self.uri.partition("://")[0]

    def title(self) -> str:
        """The URI without its password."""
        return re.sub(r"(?<=//)([^@/:]*)(:[^@/]*)?@", r"\1@", re.sub(r"(?i)password=[^&]*", "password=...", self.uri))

    def content(self) -> None:
        """Nobody knows whether a database changed before it is asked."""

    def size(self) -> None:
        """Not known before the query ran."""

    def beyond(self, column: str, value: Any) -> SqlSource:
        """The same source without rows whose column is not greater than a value."""
        return replace(self, after=(column, value))

    def parts(self, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Part]:
        """Run the query and fetch its rows a batch at a time.

        Raises:
            SourceError: the driver is not installed, the database does not answer, the query fails, a value does not
                fit the type that the column began with, or columns are not as declared.
        """
        name = self.title()
        query, parameters = self._statement()
        with _told(name), self._connection() as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**self._options())
            cursor.execute(query, list(parameters) or None)
            reader = cursor.fetch_record_batch()
            yield from arrow_parts(_told_batches(reader, name), reader.schema, self.columns, name, batch_bytes)

    def _statement(self) -> tuple[str, Sequence[Any]]:
        if self.after is None:
            return self.query, self.parameters
        column, value = self.after
        quoted = '"' + column.replace('"', '""') + '"'
        place = "?" if self._scheme == "sqlite" else f"${len(self.parameters) + 1}"
        inner = self.query.strip().rstrip(";")
        return f"SELECT * FROM ({inner}) AS source WHERE {quoted} > {place}", [*self.parameters, value]  # noqa: S608

    def _options(self) -> dict[str, str]:
        if self._scheme == "sqlite":
            return {"adbc.sqlite.query.batch_rows": str(FETCH_ROWS)}
        return {"adbc.postgresql.batch_size_hint_bytes": str(FETCH_BYTES)}

    def _connection(self) -> Any:
        import importlib

        driver = SCHEMES[self._scheme]
        try:
            module = importlib.import_module(f"{driver}.dbapi")
        except ImportError as error:
            raise SourceError(f"{self.title()} needs {driver}", hint="pip install 'headrace[sources]'") from error
        if self._scheme != "sqlite":
            return module.connect(self.uri)
        file = Path(self.uri.partition("://")[2].removeprefix("/"))
        if not file.is_file():
            raise SourceError(
                f"there is no database file {file}", hint="sqlite:////absolute/path or sqlite:///relative"
            )
        return module.connect(f"file:{quote(str(file))}?mode=ro")


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say which database it was."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{name}: {_plain(error)}") from error
    except Exception as error:
        if not type(error).__module__.startswith("adbc_driver_manager"):
            raise
        raise SourceError(f"{name}: {_plain(error)}", hint=_hint(str(error))) from error


def _told_batches(batches: Any, name: str) -> Iterator[Any]:
    with _told(name):
        yield from batches


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())


def _hint(text: str) -> str | None:
    if "column" in text and ("type" in text or "parse" in text.lower()):
        return "cast the column in the query, so that every row gives one type"
    return None
