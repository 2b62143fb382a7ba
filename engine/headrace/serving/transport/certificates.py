"""The files of TLS: read, checked before anything listens, and read again when they are renewed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from headrace.core.errors import InvalidInputError, NotFoundError, UnavailableError
from headrace.serving.config import TlsConfig


@dataclass(frozen=True)
class Certificates:
    """PEM texts of a server: its chain, its key, and who may sign for its clients; None: clients show nothing."""

    chain: bytes
    key: bytes
    client_ca: bytes | None


def read_certificates(tls: TlsConfig) -> Certificates:
    """Read and check the files.

    Raises:
        NotFoundError: a file is not there.
        UnavailableError: a file cannot be read.
        InvalidInputError: a file is no PEM of its kind, the key is encrypted, or it is not the certificate's.
    """
    chain = _read(tls.certificate, "certificate", "--tls-cert")
    key = _read(tls.key, "private key", "--tls-key")
    client_ca = _read(tls.client_ca, "client CA", "--client-ca") if tls.client_ca is not None else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except ssl.SSLError as error:
        raise InvalidInputError(
            f"certificate {tls.certificate} and private key {tls.key} cannot be used: {_reason(error)}",
            hint="both are PEM files, the key belongs to the certificate and is not encrypted",
        ) from error
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
        except ssl.SSLError as error:
            raise InvalidInputError(f"client CA {tls.client_ca} is no PEM of certificates: {_reason(error)}") from error
    return Certificates(chain, key, client_ca)


def files_state(tls: TlsConfig) -> tuple[tuple[int, int, int] | None, ...]:
    """Mark of the files that differs when one of them was replaced; cheap enough for every handshake."""
    return tuple(_state(path) for path in (tls.certificate, tls.key, tls.client_ca) if path is not None)


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path, what: str, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"no {what} at {path}", hint=f"name the file with {setting}") from error
    except OSError as error:
        raise UnavailableError(f"the {what} {path} cannot be read: {error.strerror}") from error


def _no_password() -> NoReturn:
    """Refuse, else OpenSSL would ask on the terminal."""
    raise InvalidInputError("the private key is encrypted; a server needs it without a password")


def _reason(error: ssl.SSLError) -> str:
    words = error.reason or str(error)
    return words.replace("_", " ").lower()
