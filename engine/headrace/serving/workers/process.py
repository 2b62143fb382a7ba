"""A worker as its supervisor sees it: a process and the link to it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping

from headrace.serving.telemetry.merge import Families
from headrace.serving.workers.link import Handler, Link


class WorkerProcess:
    """One started worker.

    Attributes:
        number: which of the server's workers it is, from 0.
        link: to it.
        lost: set when the process has hung up.
        families: metrics it reported last.

    Args:
        number: as above.
        handlers: what it may call.
    """

    def __init__(self, number: int, handlers: Mapping[str, Handler]) -> None:
        self.number = number
        self.lost = threading.Event()
        self.families: Families = []
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "headrace.serving.workers", str(theirs.fileno()), str(number)]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)  # noqa: S603
        self.link = Link(ours, handlers, on_lost=self.lost.set)
        self.link.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()

    def end(self, timeout_s: float = 0.0) -> str:
        """Wait for the process to end, kill it where it does not; how it ended, in words."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self.link.close()
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
