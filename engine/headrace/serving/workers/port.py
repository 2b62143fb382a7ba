"""The port that workers share, held for them by a socket that listens to nobody."""

from __future__ import annotations

import socket

from headrace.core.errors import AlreadyExistsError, InvalidInputError


class SharedPort:
    """Keeps a port for this server's processes, whether or not one of them listens at the moment.

    Only processes of the same user that ask for SO_REUSEPORT can bind it beside this socket, and Linux gives new
    connections to listening sockets alone.

    Args:
        host: interface of the port.
        port: 0: any free one.

    Raises:
        AlreadyExistsError: the port is taken.
        InvalidInputError: the system cannot share ports.
    """

    def __init__(self, host: str, port: int) -> None:
        if not hasattr(socket, "SO_REUSEPORT"):
            raise InvalidInputError("this system has no SO_REUSEPORT, so several workers cannot share a port")
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._socket = socket.socket(family, kind, protocol)
        try:
            # SO_REUSEADDR for the moment of binding: connections of a server before us may linger on the port.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._socket.bind(address)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        except OSError as error:
            self._socket.close()
            raise AlreadyExistsError(
                f"port {port} on {host} cannot be shared: {error.strerror}", hint="choose another port with --port"
            ) from error
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Let go of the port."""
        self._socket.close()
