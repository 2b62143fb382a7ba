"""Arrow Flight, pulled: a server's stream by path or command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError, SourceError
from headrace.data.reading import BATCH_BYTES, Part
from headrace.data.sources.arrow_columns import arrow_parts, check_columns

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.flight as fl

    from headrace.data.sources.csv import Prepare

TIMEOUT_S = 600.0


@dataclass(frozen=True)
class FlightSource:
    """What a Flight server gives for a descriptor; its endpoints one after the other.

    Attributes:
        uri: `grpc://host:port`, `grpc+tls://host:port`.
        descriptor: a command (text or bytes), or a path (a list of names).
        columns: types of the columns that are read, by name; None takes all.
        prepare: from the columns as declared to the table's columns, as in `CsvSource`.
        token: sent as `authorization: Bearer ...`; never shown.
        tls_roots: certificates (PEM) that vouch for the server; None: the system's.
        timeout_s: for the whole of each call.

    Raises:
        DefinitionError: not a Flight URI, an empty descriptor, or an unknown type.
    """

    uri: str
    descriptor: str | bytes | list[str]
    columns: Mapping[str, str] | None = None
    prepare: Prepare | None = field(default=None, kw_only=True)
    token: str | None = field(default=None, kw_only=True, repr=False)
    tls_roots: bytes | None = field(default=None, kw_only=True, repr=False)
    timeout_s: float = field(default=TIMEOUT_S, kw_only=True)

    def __post_init__(self) -> None:
        if not self.uri.startswith(("grpc://", "grpc+tcp://", "grpc+tls://", "grpc+unix://")):
            raise DefinitionError(f"'{self.uri}' is no Flight server", hint="grpc://host:port or grpc+tls://host:port")
        if not self.descriptor:
            raise DefinitionError("a FlightSource needs a descriptor: a command or a path")
        check_columns(self.columns, where="FlightSource")

    def title(self) -> str:
        """The server and what it is asked for."""
        asked = "/".join(self.descriptor) if isinstance(self.descriptor, list) else self.descriptor
        return f"{self.uri} {asked.decode(errors='replace') if isinstance(asked, bytes) else asked}"

    def content(self) -> None:
        """Nobody knows what a server gives before it is asked."""

    def size(self) -> int | None:
        """Bytes, where the server says how many."""
        with _told(self.title()), self._client(self.uri) as client:
            total = client.get_flight_info(self._asked(), self._options()).total_bytes
        return total if total >= 0 else None

    def parts(self, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Part]:
        """Pull the endpoints' streams, batch by batch.

        Raises:
            SourceError: the server does not answer, refuses, or ends early; columns that are not as declared.
        """
        name = self.title()
        with _told(name), self._client(self.uri) as client:
            info = client.get_flight_info(self._asked(), self._options())
            batches = _told_batches(self._batches(client, info), name)
            yield from arrow_parts(batches, info.schema, self.columns, name, batch_bytes)

    def _batches(self, client: fl.FlightClient, info: fl.FlightInfo) -> Iterator[pa.RecordBatch]:
        for endpoint in info.endpoints:
            if endpoint.locations:
                with self._client(endpoint.locations[0]) as other:
                    yield from self._pulled(other, endpoint)
            else:
                yield from self._pulled(client, endpoint)

    def _pulled(self, client: fl.FlightClient, endpoint: fl.FlightEndpoint) -> Iterator[pa.RecordBatch]:
        for chunk in client.do_get(endpoint.ticket, self._options()):
            if chunk.data is not None:
                yield chunk.data

    def _asked(self) -> fl.FlightDescriptor:
        import pyarrow.flight as fl

        if isinstance(self.descriptor, list):
            return fl.FlightDescriptor.for_path(*self.descriptor)
        return fl.FlightDescriptor.for_command(self.descriptor)

    def _client(self, location: Any) -> fl.FlightClient:
        import pyarrow.flight as fl

        return fl.FlightClient(location, tls_root_certs=self.tls_roots)

    def _options(self) -> fl.FlightCallOptions:
        import pyarrow.flight as fl

        headers = [(b"authorization", f"Bearer {self.token}".encode())] if self.token else []
        return fl.FlightCallOptions(timeout=self.timeout_s, headers=headers)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say which server it was."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        text = " ".join(str(error).split())
        raise SourceError(f"{name}: {text}", hint="is the server running, and does it know this?") from error


def _told_batches(batches: Iterator[pa.RecordBatch], name: str) -> Iterator[pa.RecordBatch]:
    with _told(name):
        yield from batches
