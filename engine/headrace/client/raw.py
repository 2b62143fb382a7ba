"""Calls as bytes, for whoever measures a server: plain or over TLS, with the metadata that the server asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio

from headrace.client.channel import OPTIONS, error_from_call
from headrace.core.errors import InvalidInputError


@dataclass(frozen=True)
class Endpoint:
    """Where a server is, and how it is spoken to.

    Attributes:
        address: `host:port`.
        tls: TLS; implied by any of the files.
        ca: PEM file of the authorities that may have signed the server's certificate; None: the system's.
        certificate: PEM file of the client's certificate, where the server wants one.
        key: PEM file of its private key.
        server_name: the name in the server's certificate, where it is not the address's host.
        metadata: sent with every call, such as `("authorization", "Bearer ...")`.
    """

    address: str
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""
    metadata: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdigit():
            raise InvalidInputError(f"the server's address is '{self.address}'", hint="HOST:PORT, e.g. 127.0.0.1:8001")
        if (self.certificate is None) != (self.key is None):
            raise InvalidInputError("a client certificate needs its key, and a key its certificate")
        for file in (self.ca, self.certificate, self.key):
            if file is not None and not file.is_file():
                raise InvalidInputError(f"there is no file {file}")
        if self.ca or self.certificate:
            object.__setattr__(self, "tls", True)

    @property
    def host(self) -> str:
        """Host of the address, without the brackets of IPv6."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> str:
        """Port of the address."""
        return self.address.rpartition(":")[2]


class RawAnswer(NamedTuple):
    """What came back: a gRPC status number, its message, and the answer's bytes (empty with an error)."""

    status: int
    message: str
    body: bytes


def call_raw(endpoint: Endpoint, path: str, body: bytes, *, timeout_s: float = 10.0) -> bytes:
    """Make one call and wait for its answer.

    Raises:
        HeadraceError: any status but OK, as the error it stands for.
    """
    with _open(grpc, endpoint) as channel:
        try:
            answer: bytes = channel.unary_unary(path)(body, timeout=timeout_s, metadata=endpoint.metadata)
        except grpc.RpcError as error:
            raise error_from_call(error, endpoint.address) from None
        return answer


class AsyncRawCaller:
    """Calls of one method over one connection, from the event loop that is running when it is made."""

    def __init__(self, endpoint: Endpoint, path: str) -> None:
        self._endpoint = endpoint
        self._channel = _open(grpc.aio, endpoint)
        self._call = self._channel.unary_unary(path)

    async def __call__(self, body: bytes, *, timeout_s: float | None = None) -> RawAnswer:
        """Make one call; every status is an answer, none an exception."""
        try:
            answer = await self._call(body, timeout=timeout_s, metadata=self._endpoint.metadata)
        except grpc.aio.AioRpcError as error:
            code: Any = error.code()
            return RawAnswer(int(code.value[0]), error.details() or "", b"")
        return RawAnswer(0, "", answer)

    async def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        await self._channel.close()


def _open(library: Any, endpoint: Endpoint) -> Any:
    if not endpoint.tls:
        return library.insecure_channel(endpoint.address, options=OPTIONS)
    ca, key, certificate = (
        file.read_bytes() if file else None for file in (endpoint.ca, endpoint.key, endpoint.certificate)
    )
    named = (("grpc.ssl_target_name_override", endpoint.server_name),) if endpoint.server_name else ()
    credentials = grpc.ssl_channel_credentials(ca, key, certificate)
    return library.secure_channel(endpoint.address, credentials, options=(*OPTIONS, *named))
