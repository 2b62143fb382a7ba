"""A small HTTP port of its own for what machines ask about the server: metrics and probes. GET alone, no options."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = "text/plain; charset=utf-8"
CLIENT_TIMEOUT_S = 5.0
"""A client that does not finish its request in this time is hung up on."""


@dataclass(frozen=True)
class Page:
    """An answer."""

    body: bytes
    content_type: str = TEXT
    status: int = 200


Pages = Mapping[str, Callable[[str], Page]]
"""By path: gives the page for a request's Accept header."""


class HttpPort:
    """Answers from daemon threads, one a connection.

    Args:
        pages: what to show.
        host: interface to listen on.
        port: 0: any free one.

    Raises:
        OSError: the port cannot be opened.
    """

    def __init__(self, pages: Pages, *, host: str, port: int) -> None:
        self._server = _Server((host, port), _handler(pages))
        self.address = f"{host}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hung up is no event of ours."""


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_S

        def do_GET(self) -> None:
            make = pages.get(self.path.partition("?")[0])
            page = (
                make(self.headers.get("Accept", ""))
                if make is not None
                else Page(f"not found; here: {', '.join(pages)}\n".encode(), status=404)
            )
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Scrapes and probes are no events."""

    return Handler
