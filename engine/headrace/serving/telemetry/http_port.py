"""A small HTTP port of its own for what machines ask about the server: metrics and probes. GET alone, no options."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from headrace.core.logging import get_logger

_LOG = get_logger("serving")

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
        """Say nothing: what gets here is a client that hung up; a page that fails is told by `_made`."""


def _made(make: Callable[[str], Page], path: str, accept: str) -> Page:
    try:
        return make(accept)
    except Exception:  # noqa: BLE001  the server serves on, and says what went wrong
        _LOG.exception("page_failed", path=path)
        return Page(b"failed; the log says why\n", status=500)


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_S

        def do_GET(self) -> None:
            make = pages.get(self.path.partition("?")[0])
            page = Page(f"not found; here: {', '.join(pages)}\n".encode(), status=404)
            if make is not None:
                page = _made(make, self.path, self.headers.get("Accept", ""))
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Scrapes and probes are no events."""

    return Handler
