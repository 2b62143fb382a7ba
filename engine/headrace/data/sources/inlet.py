"""Arrow Flight, pushed: an endpoint that takes streams into tables, and says so only when they are committed."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import pyarrow.flight as fl

from headrace.core.errors import DefinitionError, HeadraceError, InvalidInputError, UnavailableError
from headrace.data.types import check_dtype

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.data.store import TableStore, TableVersion

PIECE_BYTES = 16 << 20


@dataclass(frozen=True)
class Intake:
    """What may be pushed into one table.

    Attributes:
        columns: types of the columns that a stream has to have; others are dropped.
        mode: `append` puts the rows behind those that are there, `upsert` replaces rows of the same key.
        keys: columns that name a row, for `upsert`.

    Raises:
        DefinitionError: no columns, an unknown type, or keys that do not go with the mode.
    """

    columns: Mapping[str, str]
    mode: Literal["append", "upsert"] = "append"
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.columns:
            raise DefinitionError("an Intake needs the types of its columns: Intake({'name': 'int64'})")
        for name, dtype in self.columns.items():
            check_dtype(dtype, where=f"Intake column '{name}'")
        if (self.mode == "upsert") != bool(self.keys):
            raise DefinitionError(f"an Intake's keys are for mode 'upsert'; this is '{self.mode}' with {self.keys}")


class FlightInlet(fl.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """Takes `DoPut` streams: descriptor path (table, transaction).

    The transaction names the stream: pushed again, it makes nothing and is acknowledged with the version that it made
    the first time, so that a client that heard nothing may push again. Behind the last batch the client sends a
    metadata message, JSON `{"rows": N}`: without it the stream counts as broken, because a client that died looks to
    Flight like one that is done. It then calls `done_writing` and reads one metadata message, JSON `{"table",
    "version", "digest", "rows"}`, which is sent when the version is durable. A stream that breaks leaves nothing.
    `push` does all of this.

    Listens when it is made. `with FlightInlet(...) as inlet:` ends it.
    """

    def __init__(
        self,
        store: TableStore,
        intakes: Mapping[str, Intake],
        *,
        location: str = "grpc://127.0.0.1:0",
        token: str | None = None,
        tls_certificates: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        """Listen.

        Args:
            store: where tables are kept.
            intakes: by table; no other table takes anything.
            location: where; port 0 takes a free one (`port`).
            token: asked for as `authorization: Bearer ...`; None asks for none.
            tls_certificates: (certificate chain, private key), PEM; with a location `grpc+tls://`.
        """
        self._store = store
        self._intakes = dict(intakes)
        guard = {} if token is None else {"token": _TokenGuard(token)}
        super().__init__(location, middleware=guard, tls_certificates=tls_certificates)

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        """Take one stream; called by Flight in a thread of its own."""
        del context
        path = [part.decode() for part in descriptor.path or []]
        if len(path) != 2 or not path[1]:
            raise fl.FlightServerError("push to the path (table, transaction): the transaction names this stream")
        name, transaction = path
        intake = self._intakes.get(name)
        if intake is None:
            raise fl.FlightServerError(f"table '{name}' takes nothing; these do: {', '.join(sorted(self._intakes))}")
        try:
            version = self._take(name, f"flight:{transaction}", intake, reader)
        except HeadraceError as error:
            refused = fl.FlightUnavailableError if isinstance(error, UnavailableError) else fl.FlightServerError
            raise refused(f"{error.message}" + (f"; {error.hint}" if error.hint else "")) from error
        answer = {"table": name, "version": version.version, "digest": version.digest, "rows": version.rows}
        writer.write(json.dumps(answer).encode())

    def _take(self, name: str, transaction: str, intake: Intake, reader: Any) -> TableVersion:
        from headrace.data.sources.arrow_columns import arrow_parts

        parts = arrow_parts(
            _whole_stream(reader, name), reader.schema, intake.columns, f"stream to '{name}'", PIECE_BYTES
        )
        lineage = {"source": "flight", "transaction": transaction}
        if intake.mode == "upsert":
            table = _joined([part.table for part in parts])
            return self._store.upsert(name, table, keys=list(intake.keys), transaction=transaction, lineage=lineage)
        with self._store.writing(name, "append", transaction=transaction, lineage=lineage) as out:
            for part in parts:
                out.write(part.table)
            return out.commit()


def push(
    uri: str, table: str, transaction: str, batches: Iterable[pa.RecordBatch], *, token: str | None = None
) -> dict[str, Any]:
    """Push record batches, at least one, to a `FlightInlet`; what it acknowledges is durable.

    Args:
        uri: `grpc://host:port` or `grpc+tls://host:port`.
        table: that takes them.
        transaction: names this stream; pushed again, nothing happens twice.
        batches: all of one schema.
        token: as the endpoint asks for.

    Returns:
        table, version, digest and rows of the version.

    Raises:
        InvalidInputError: nothing to push, or the endpoint refused it.
        UnavailableError: the endpoint does not answer; push again with the same transaction.
    """
    iterator = iter(batches)
    first = next(iterator, None)
    if first is None:
        raise InvalidInputError(f"there is no batch to push to table '{table}'; its columns are not known")
    headers = [(b"authorization", f"Bearer {token}".encode())] if token is not None else []
    try:
        with fl.FlightClient(uri) as client:
            path = fl.FlightDescriptor.for_path(table, transaction)
            writer, reader = client.do_put(path, first.schema, fl.FlightCallOptions(headers=headers))
            with writer:
                rows = 0
                for batch in chain([first], iterator):
                    writer.write_batch(batch)
                    rows += batch.num_rows
                writer.write_metadata(json.dumps({"rows": rows}).encode())
                writer.done_writing()
                answer = reader.read()
    except (fl.FlightUnavailableError, fl.FlightTimedOutError) as error:
        raise UnavailableError(f"{uri}: {error}", hint="push again with the same transaction") from error
    except fl.FlightError as error:
        raise InvalidInputError(f"{uri}: table '{table}': {error}") from error
    acknowledged: dict[str, Any] = json.loads(answer.to_pybytes())
    return acknowledged


def _whole_stream(reader: Any, name: str) -> Iterator[pa.RecordBatch]:
    """The batches of a stream that says at its end how many rows it had.

    Raises:
        InvalidInputError: it does not, or there were others.
    """
    rows, said = 0, None
    for chunk in reader:
        if chunk.data is not None:
            rows += chunk.data.num_rows
            yield chunk.data
        if chunk.app_metadata is not None:
            try:
                said = json.loads(chunk.app_metadata.to_pybytes()).get("rows")
            except (ValueError, AttributeError):
                said = None
    if said != rows:
        what = "ended without saying so" if said is None else f"says that it had {said} rows"
        raise InvalidInputError(
            f"the stream to table '{name}' {what}; {rows} came",
            hint='send the metadata message {"rows": N} behind the last batch',
        )


class _TokenGuard(fl.ServerMiddlewareFactory):  # type: ignore[misc]  # pyarrow has no types
    """Refuses calls without the token."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._expected = f"Bearer {token}".encode()

    def start_call(self, info: Any, headers: Mapping[str, list[str]]) -> None:
        """Look at the headers of a call."""
        del info
        given = next(iter(headers.get("authorization", [])), "")
        if not hmac.compare_digest(given.encode(), self._expected):
            raise fl.FlightUnauthenticatedError("this endpoint asks for a token: authorization: Bearer ...")


def _joined(tables: list[pa.Table]) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables(tables)
