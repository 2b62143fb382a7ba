"""Is a port free? Asked before models are loaded, so that the answer comes at once and in words."""

from __future__ import annotations

import errno
import socket

from headrace.core.errors import AlreadyExistsError, InvalidInputError, UnavailableError
from headrace.serving.config import ServingConfig


def check_ports(config: ServingConfig) -> None:
    """Check the gRPC port and the metrics port; raises as `check_port`."""
    check_port(config.host, config.port, purpose="gRPC", setting="--port")
    if config.metrics_port is not None:
        check_port(config.host, config.metrics_port, purpose="metrics", setting="--metrics-port")


def check_port(host: str, port: int, *, purpose: str, setting: str) -> None:
    """Open and close the port.

    Args:
        host: interface to listen on.
        port: 0 is always free.
        purpose: what it is for, for the message.
        setting: how to choose another, for the hint.

    Raises:
        AlreadyExistsError: another process listens there.
        InvalidInputError: the host is no address of this machine.
        UnavailableError: this process may not open it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror as error:
        raise InvalidInputError(f"host '{host}' for {purpose} is not known: {error.strerror}") from error
    except OSError as error:
        place = f"port {port} on {host} for {purpose}"
        if error.errno == errno.EADDRINUSE:
            raise AlreadyExistsError(
                f"{place} is taken by another process", hint=f"stop it, or choose another port with {setting}"
            ) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise InvalidInputError(f"host '{host}' for {purpose} is no address of this machine") from error
        raise UnavailableError(f"{place} cannot be opened: {error.strerror}") from error
