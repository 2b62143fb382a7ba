"""A link between two processes: either side calls the other, over a socket of JSON lines.

A line is `{"id": 7, "do": "prepare", "with": {...}}`, `{"id": 7, "gives": ...}` or `{"id": 7, "fails": {...}}`; numbers
belong to the side that asked.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from queue import SimpleQueue
from typing import Any
from uuid import uuid4

from headrace.core.errors import DeadlineError, HeadraceError, UnavailableError
from headrace.core.logging import get_logger
from headrace.wire.status import STATUS_NUMBERS, error_from_status, status_details

_LOG = get_logger("workers")

Handler = Callable[[dict[str, Any]], Any]
HANDLER_THREADS = 4


class Link:
    """One end.

    Invariants: every call gets one answer, an error when the other end goes; `on_lost` is called once, after that.

    Args:
        sock: connected socket; the link owns it.
        handlers: what the other side may call, by name: parameters in, something JSON can say out.
        on_lost: called when the other end is gone.
    """

    def __init__(
        self, sock: socket.socket, handlers: Mapping[str, Handler], on_lost: Callable[[], None] = lambda: None
    ) -> None:
        self._sock = sock
        self._handlers = handlers
        self._on_lost = on_lost
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._open: dict[int, Future[Any]] = {}
        self._lost = False
        self._asked: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def start(self) -> None:
        """Begin to listen to the other side."""
        threading.Thread(target=self._read, name="link-reader", daemon=True).start()
        for _ in range(HANDLER_THREADS):  # all at once: a process whose threads grow in number looks like a leak
            threading.Thread(target=self._work, name="link-handler", daemon=True).start()

    def call(self, do: str, timeout_s: float, **parameters: Any) -> Any:
        """Ask the other side and wait.

        Raises:
            UnavailableError: the other side is gone.
            DeadlineError: it did not answer in time.
            HeadraceError: what it answered.
        """
        return wait_for(self.ask(do, **parameters), do, timeout_s)

    def ask(self, do: str, **parameters: Any) -> Future[Any]:
        """Ask the other side; `wait_for` gives the answer."""
        future: Future[Any] = Future()
        number = next(self._numbers)
        with self._lock:
            if self._lost:
                future.set_exception(_gone())
                return future
            self._open[number] = future
        self._send({"id": number, "do": do, "with": parameters})
        return future

    def close(self) -> None:
        """Hang up; calls that wait are told that the other side is gone."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it hung up first

    def _send(self, message: dict[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        try:
            with self._sending:
                self._sock.sendall(line)
        except OSError:
            self.close()  # the reader notices, and tells whoever waits

    def _read(self) -> None:
        try:
            with self._sock, self._sock.makefile("rb") as lines:
                for line in lines:
                    self._take(json.loads(line))
        except (OSError, ValueError) as error:
            _LOG.info("link_broke", error=repr(error))
        finally:
            with self._lock:
                self._lost = True
                waiting, self._open = self._open, {}
            for future in waiting.values():
                future.set_exception(_gone())
            for _ in range(HANDLER_THREADS):
                self._asked.put(None)
            self._on_lost()

    def _take(self, message: dict[str, Any]) -> None:
        if "do" in message:
            self._asked.put(message)
            return
        with self._lock:
            future = self._open.pop(message["id"], None)
        if future is None:
            return
        if "fails" in message:
            future.set_exception(error_from_status(message["fails"]["status"], message["fails"]["text"]))
        else:
            future.set_result(message["gives"])

    def _work(self) -> None:
        while (message := self._asked.get()) is not None:
            self._answer(message)

    def _answer(self, message: dict[str, Any]) -> None:
        reply: dict[str, Any] = {"id": message["id"]}
        try:
            reply["gives"] = self._handlers[message["do"]](message["with"])
        except HeadraceError as error:
            reply["fails"] = {"status": STATUS_NUMBERS[error.code], "text": status_details(error)}
        except Exception:  # noqa: BLE001  the other side is told, the log has the rest
            correlation_id = uuid4().hex[:12]
            _LOG.exception("link_call_failed", do=message["do"], correlation_id=correlation_id)
            text = f"{message['do']} failed; correlation id {correlation_id}"
            reply["fails"] = {"status": STATUS_NUMBERS[HeadraceError.code], "text": text}
        self._send(reply)


def wait_for(future: Future[Any], do: str, timeout_s: float) -> Any:
    """Wait for what was asked; raises as `Link.call`."""
    try:
        return future.result(timeout_s)
    except FutureTimeoutError as error:
        raise DeadlineError(f"'{do}' was not answered within {timeout_s:g} s") from error


def _gone() -> UnavailableError:
    return UnavailableError("the other process is gone")
