"""Changes of models that reach all workers or none: prepared everywhere, compared, then committed or aborted."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from typing import Any

from headrace.core.errors import HeadraceError, UnavailableError
from headrace.core.logging import get_logger
from headrace.serving.models.change import FOLLOW, Action, Change
from headrace.serving.workers.process import WorkerProcess
from headrace.serving.workers.roster import Reply, Roster, ask_all

_LOG = get_logger("workers")

PREPARE_TIMEOUT_S = 600.0
COMMIT_TIMEOUT_S = 30.0

Marks = dict[str, str]
"""Mark of what is served, by model: equal marks, equal answers."""


class NotAgreedError(UnavailableError):
    """The workers prepared different things; what they look at changed meanwhile."""


class Conductor:
    """Does one change at a time in all workers.

    Invariants: every worker of the roster serves `marks`; a worker that cannot keep to that is killed, and its
    successor begins with what is committed.

    Attributes:
        marks: what is served, as it was committed last; None before the first worker.
        requested: loads and unloads on request since the start, by model: what sources alone do not tell a new worker.

    Args:
        roster: the workers.
    """

    def __init__(self, roster: Roster) -> None:
        self.marks: Marks | None = None
        self.requested: dict[str, Change] = {}
        self.lock = threading.RLock()
        self._roster = roster
        self._numbers = itertools.count(1)

    def conduct(self, change: Change) -> None:
        """Do a change in all workers, or in none.

        Raises:
            NotAgreedError: the workers prepared different things.
            HeadraceError: a worker cannot do it.
        """
        with self.lock:
            self._conduct(change, self._roster.workers)
            if change.action is not Action.FOLLOW:
                self.requested[change.model] = change

    def admit(self, worker: WorkerProcess, marks: Marks) -> None:
        """Take in a worker that has loaded: it serves what the others do when this returns.

        Raises:
            HeadraceError: it cannot.
        """
        with self.lock:
            if self.marks is None:
                self.marks = marks
            elif marks != self.marks:
                self._converge(worker, marks)

    def _converge(self, worker: WorkerProcess, marks: Marks) -> None:
        """Have everybody look again: a file that was replaced cannot be loaded as it was."""
        assert self.marks is not None
        differ = sorted(name for name in self.marks.keys() | marks.keys() if self.marks.get(name) != marks.get(name))
        _LOG.warning("worker_differs", worker=worker.number, models=differ)
        everybody = (*self._roster.workers, worker)
        try:
            self._conduct(FOLLOW, everybody)
        except NotAgreedError:
            for name in differ:
                self._conduct(Change(Action.LOAD, name), everybody)

    def _conduct(self, change: Change, workers: Iterable[WorkerProcess]) -> None:
        number = next(self._numbers)
        prepared = ask_all(workers, "prepare", PREPARE_TIMEOUT_S, number=number, change=change.to_json())
        try:
            marks = _agreed(change, prepared)
        except HeadraceError:
            ask_all(
                (reply.worker for reply in prepared if reply.error is None), "abort", COMMIT_TIMEOUT_S, number=number
            )
            raise
        self._commit(number, prepared)
        if change.action is not Action.FOLLOW:
            self.requested[change.model] = change
        self.marks = marks

    def _commit(self, number: int, prepared: list[Reply]) -> None:
        for reply in ask_all((reply.worker for reply in prepared), "commit", COMMIT_TIMEOUT_S, number=number):
            if reply.error is not None:
                _LOG.error("worker_did_not_commit", worker=reply.worker.number, error=reply.error.message)
                reply.worker.kill()


def _agreed(change: Change, prepared: list[Reply]) -> Marks:
    """What all have prepared.

    Raises:
        NotAgreedError: they differ.
        HeadraceError: one could not prepare it, or there is none.
    """
    if not prepared:
        raise UnavailableError("no worker serves at the moment", hint="try again")
    for reply in prepared:
        if reply.error is not None:
            raise reply.error
    marks: list[Marks] = [reply.value["models"] for reply in prepared]
    compared: list[Any] = marks if change.action is Action.FOLLOW else [one.get(change.model) for one in marks]
    if any(one != compared[0] for one in compared):
        raise NotAgreedError("the workers found different models; what they look at is changing", hint="try again")
    return marks[0]
