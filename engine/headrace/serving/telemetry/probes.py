"""Is the process alive, and does it take requests? For whoever starts and stops it."""

from __future__ import annotations

from enum import Enum

from headrace.serving.telemetry.http_port import Page


class Phase(Enum):
    """A server's life; only in READY does it take requests."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class Probes:
    """The pages of the probes: `/livez` as long as the process answers at all, `/readyz` while it takes requests."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING

    def livez(self, _accept: str) -> Page:
        """Answer whether the process lives."""
        return Page(b"ok\n")

    def readyz(self, _accept: str) -> Page:
        """Answer whether it takes requests: 200 or 503, and why."""
        return Page(f"{self.phase.value}\n".encode(), status=200 if self.phase is Phase.READY else 503)
