"""Calls that concern all workers, as the supervisor answers them; the workers' half is `everywhere`."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from headrace.core.errors import ExhaustedError, HeadraceError, UnavailableError
from headrace.serving.workers.everywhere import CHANGING, STATISTICS, TIMEOUT_S
from headrace.serving.workers.roster import Roster, ask_all
from headrace.serving.workers.statistics import merge_statistics
from headrace.wire.methods import METHODS

MAX_REMEMBERED = 10_000
"""Calls that a new worker is told again: shared memory regions, trace and log settings."""

_REGISTER, _UNREGISTER = "Register", "Unregister"


class SharedCalls:
    """Asks all workers, and remembers what a new one must be told. One call at a time: the caller holds a lock.

    Args:
        roster: the workers.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._remembered: dict[tuple[str, str], tuple[str, str]] = {}

    @property
    def remembered(self) -> list[tuple[str, str]]:
        """Calls to tell a new worker again, in order: path and message in base64."""
        return list(self._remembered.values())

    def statistics(self, message: str) -> str:
        """Add up ModelStatistics of the workers that serve now.

        Raises:
            HeadraceError: none of them could answer.
        """
        replies = ask_all(self._roster.workers, "answer", TIMEOUT_S, path=STATISTICS, message=message)
        answers = [b64decode(reply.value) for reply in replies if reply.error is None]
        if not answers:
            raise next((reply.error for reply in replies if reply.error is not None), _nobody())
        return b64encode(merge_statistics(answers)).decode()

    def change(self, path: str, message: str) -> str:
        """Make a call that changes state in all workers; where one refuses, a registration is undone in the others.

        Raises:
            HeadraceError: what a worker answered.
        """
        if len(self._remembered) >= MAX_REMEMBERED:
            raise ExhaustedError(f"{MAX_REMEMBERED} regions and settings are kept already", hint="unregister some")
        replies = ask_all(self._roster.workers, "answer", TIMEOUT_S, path=path, message=message)
        done = [reply for reply in replies if reply.error is None]
        refused: HeadraceError | None = next((reply.error for reply in replies if reply.error is not None), None)
        if refused is not None or not done:
            undo = _undo(path, message)
            if undo is not None:
                ask_all((reply.worker for reply in done), "answer", TIMEOUT_S, path=undo[0], message=undo[1])
            raise refused or _nobody()
        self._remember(path, message)
        return str(done[0].value)

    def _remember(self, path: str, message: str) -> None:
        method = CHANGING[path]
        kind = method.removesuffix(_UNREGISTER).removesuffix(_REGISTER)
        if method.endswith(_UNREGISTER):
            name = _region(path, message)
            forgotten = [key for key in self._remembered if key[0] == kind and name in {"", key[1]}]
            for key in forgotten:
                del self._remembered[key]
        elif method.endswith(_REGISTER):
            self._remembered[kind, _region(path, message)] = (path, message)
        elif message:  # settings; an empty request only asks for them
            self._remembered.pop((kind, message), None)
            self._remembered[kind, message] = (path, message)


def _undo(path: str, message: str) -> tuple[str, str] | None:
    method = CHANGING[path]
    if method.endswith(_UNREGISTER) or not method.endswith(_REGISTER):
        return None
    opposite = METHODS[method.removesuffix(_REGISTER) + _UNREGISTER]
    request = opposite.request(name=_region(path, message))
    return opposite.path, b64encode(request.SerializeToString()).decode()


def _region(path: str, message: str) -> str:
    parsed: Any = METHODS[CHANGING[path]].request.FromString(b64decode(message))
    return str(parsed.name)


def _nobody() -> UnavailableError:
    return UnavailableError("no worker serves at the moment", hint="try again")
