"""One worker: a whole server that loads, listens, changes and drains when its supervisor says so."""

from __future__ import annotations

import os
import signal
import socket
import threading
from base64 import b64decode, b64encode
from types import FrameType
from typing import Any

from headrace.core.clock import SystemClock
from headrace.core.errors import InvalidInputError
from headrace.core.logging import get_logger
from headrace.serving.assembly import Assembly
from headrace.serving.config import ServingConfig
from headrace.serving.models.change import FOLLOW, Change, Prepared
from headrace.serving.models.fleet import Fleet
from headrace.serving.models.source import open_source
from headrace.serving.telemetry.merge import to_families
from headrace.serving.transport.seam import Call
from headrace.serving.workers.everywhere import EverywhereApplication
from headrace.serving.workers.link import Link
from headrace.serving.workers.settings import read_settings

_LOG = get_logger("workers")

CHANGE_TIMEOUT_S = 900.0
ORPHAN_EXIT_CODE = 1


class Worker:
    """Answers the supervisor's calls.

    Invariants: it lives no longer than its supervisor; its models change when the supervisor commits, never by itself.

    Args:
        sock: connected to the supervisor.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._link = Link(
            sock,
            {
                "start": self._start,
                "listen": self._listen,
                "prepare": self._prepare,
                "commit": self._commit,
                "abort": self._abort,
                "answer": self._answer,
                "metrics": lambda _: to_families(self._assembly.collect()),
                "retire": lambda _: self._assembly.application.set_ready(ready=False),
                "drain": lambda given: self._drain(float(given["grace_s"])),
            },
            on_lost=self._orphaned,
        )
        self._config: ServingConfig
        self._assembly: Assembly
        self._prepared: dict[int, Prepared] = {}
        self._draining = threading.Lock()
        self._terminated = threading.Event()
        self._listens = False
        self._ended = False
        self._follower = threading.Thread(target=self._follow, name="model-watcher", daemon=True)

    def run(self) -> None:
        """Serve until the supervisor drains this worker, or SIGTERM does."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
        signal.signal(signal.SIGTERM, self._on_sigterm)
        self._link.start()
        self._terminated.wait()
        if self._listens and not self._ended:  # SIGTERM to this worker alone; the supervisor will start another
            self._assembly.application.set_ready(ready=False)
            self._drain(self._config.grace_s)
        self._link.close()
        if self._listens:
            self._follower.join()

    def _start(self, given: dict[str, Any]) -> dict[str, Any]:
        """Load what the sources have, and do again what was asked of the workers since the server's start."""
        self._config = read_settings(given["settings"])
        clock = SystemClock()
        self._assembly = Assembly(
            self._config, open_source(self._config), clock, lambda inner: EverywhereApplication(inner, self._link)
        )
        manager = self._assembly.manager
        manager.start()
        for change in given["changes"]:
            manager.apply(Change.from_json(change))
        for path, message in given["calls"]:
            self._answer({"path": path, "message": message})
        manager.conductor = self._conduct
        return {"models": _marks(manager.fleet)}

    def _listen(self, given: dict[str, Any]) -> dict[str, Any]:
        self._assembly.listen(given["port"], reuse_port=True)
        self._assembly.application.set_ready(ready=True)
        self._follower.start()
        self._listens = True
        return vars(self._assembly.describe())

    def _follow(self) -> None:
        while not self._terminated.wait(self._config.poll_ms / 1e3):
            if self._ended:
                return
            self._assembly.look()

    def _conduct(self, change: Change) -> None:
        """Have the supervisor do a change in all workers, this one included; where sources changed, it does so soon."""
        self._link.call("change", CHANGE_TIMEOUT_S, change=change.to_json())

    def _prepare(self, given: dict[str, Any]) -> dict[str, Any]:
        prepared = self._assembly.manager.prepare(Change.from_json(given["change"]))
        self._prepared = {given["number"]: prepared}
        return {"models": _marks(prepared.fleet)}

    def _commit(self, given: dict[str, Any]) -> None:
        self._assembly.manager.commit(self._taken(given))

    def _abort(self, given: dict[str, Any]) -> None:
        self._assembly.manager.abort(self._taken(given))

    def _taken(self, given: dict[str, Any]) -> Prepared:
        prepared = self._prepared.pop(given["number"], None)
        if prepared is None:
            raise InvalidInputError(f"change {given['number']} was not prepared here")
        return prepared

    def _answer(self, given: dict[str, Any]) -> str:
        """Answer a call that came to another worker."""
        call = Call(None, lambda _withdraw: True)
        return b64encode(self._assembly.application.answer(given["path"], b64decode(given["message"]), call)).decode()

    def _drain(self, grace_s: float) -> bool:
        with self._draining:
            if self._ended:
                return True
            answered = self._assembly.drain(grace_s)
            self._assembly.close()
            self._ended = True
        return answered

    def _on_sigterm(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self._terminated.set()

    def _orphaned(self) -> None:
        if not self._ended:
            os._exit(ORPHAN_EXIT_CODE)  # nobody would know of this process, and it would hold the port
        self._terminated.set()


def _marks(fleet: Fleet) -> dict[str, str]:
    """Mark of each model as it is served: equal marks in two workers, equal answers."""
    return {
        name: Prepared(FOLLOW, fleet, Fleet({name: deployment})).digest
        for name, deployment in fleet.deployments.items()
    }
