"""What every known version is doing, and why: what the repository index shows."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from headrace.core.clock import Clock
from headrace.core.errors import HeadraceError
from headrace.serving.models.fleet import Fleet
from headrace.serving.models.source import WantedModel
from headrace.serving.models.version import ServedVersion

FIRST_RETRY_S = 5.0
LAST_RETRY_S = 300.0


class State(Enum):
    """What a version is doing, in the protocol's words."""

    READY = "READY"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True)
class ModelState:
    """One line of the index.

    Attributes:
        name: the model's name.
        version: its number as text; empty where no version is known.
        state: READY, LOADING, UNLOADING or UNAVAILABLE.
        reason: why it is not what was wanted; empty where it is.
    """

    name: str
    version: str
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Failure:
    """A load that failed.

    Attributes:
        error: why.
        mark: of the content and bounds that was tried.
        retry_at: monotonic seconds from which the same content may be tried again.
        attempts: how often it was tried.
    """

    error: HeadraceError
    mark: str
    retry_at: float
    attempts: int


def retry_s(attempts: int) -> float:
    """Seconds until content that failed so often is tried again: 5, 10, 20, ..., at most 300."""
    return float(min(LAST_RETRY_S, FIRST_RETRY_S * 2 ** min(attempts - 1, 10)))


def bare(error: HeadraceError) -> HeadraceError:
    """The error without traceback and cause: to keep those is to keep their frames, and the graph's bytes with them."""
    return type(error)(error.message, hint=error.hint)


class StateBoard:
    """Loads that run or failed, and versions that left; what is loaded is in the fleet. Safe from any thread.

    Args:
        clock: monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._loading: set[tuple[str, int]] = set()
        self._failures: dict[tuple[str, int], Failure] = {}
        self._leaving: list[weakref.ref[ServedVersion]] = []
        self._wanted: dict[str, WantedModel] = {}
        self._asked: dict[str, WantedModel] = {}
        self.unloaded: frozenset[str] = frozenset()

    def begin(self, name: str, version: int) -> None:
        """Note that a version is being loaded."""
        with self._lock:
            self._loading.add((name, version))

    def end(self, name: str, version: int, mark: str, error: HeadraceError | None) -> None:
        """Note how a load ended."""
        with self._lock:
            self._loading.discard((name, version))
            before = self._failures.pop((name, version), None)
            if error is not None:
                attempts = before.attempts + 1 if before is not None and before.mark == mark else 1
                retry_at = self._clock.monotonic() + retry_s(attempts)
                self._failures[name, version] = Failure(bare(error), mark, retry_at, attempts)

    def known_failure(self, name: str, version: int, mark: str) -> HeadraceError | None:
        """Why the same content could not be loaded a moment ago; None where it may be tried."""
        with self._lock:
            failure = self._failures.get((name, version))
            if failure is None or failure.mark != mark or self._clock.monotonic() >= failure.retry_at:
                return None
            return failure.error

    def know(self, models: Iterable[WantedModel]) -> None:
        """Note what the sources want; failures of what nobody wants any more are forgotten."""
        with self._lock:
            wanted = {model.name: model for model in models}
            self._asked = {name: one for name, one in self._asked.items() if wanted.get(name) == self._wanted.get(name)}
            self._wanted = wanted
            known = (*self._wanted.values(), *self._asked.values())
            kept = {(model.name, number) for model in known for number in model.versions}
            self._failures = {key: failure for key, failure in self._failures.items() if key in kept}

    def ask(self, model: WantedModel) -> None:
        """Note what somebody wants loaded: it is shown until it is loaded, or its source wants something else."""
        with self._lock:
            self._asked[model.name] = model

    def loaded(self, model: WantedModel) -> None:
        """Note that what was asked for is served, and followed again."""
        with self._lock:
            self._asked.pop(model.name, None)
            self._wanted[model.name] = model
            self.unloaded -= {model.name}

    def leave(self, version: ServedVersion) -> None:
        """Note that a version gets no new requests; it is UNLOADING until its last request lets go of it."""
        with self._lock:
            self._leaving = [one for one in self._leaving if one() is not None]
            self._leaving.append(weakref.ref(version))

    def index(self, fleet: Fleet, names: Iterable[str]) -> list[ModelState]:
        """Every known version, by name and number.

        Args:
            fleet: what is served.
            names: models that the sources have, wanted or not.
        """
        with self._lock:
            lines: dict[tuple[str, int], ModelState] = {}
            for reference in self._leaving:
                version = reference()
                if version is not None:
                    _add(lines, version.identity.model, version.identity.version, State.UNLOADING)
            for name, model in (self._wanted | self._asked).items():
                self._add_wanted(lines, name, model)
            for name, deployment in fleet.deployments.items():
                for number in deployment.versions:
                    failure = self._failures.get((name, number))
                    reason = f"its new content cannot be served: {failure.error.message}" if failure else ""
                    _add(lines, name, number, State.READY, reason)
            for name, number in self._loading:
                if (name, number) not in lines or lines[name, number].state != State.READY.value:
                    _add(lines, name, number, State.LOADING)
        present = {name for name, _ in lines}
        for name in set(names) - present:
            lines[name, 0] = ModelState(name, "", State.UNAVAILABLE.value, "not loaded")
        return [lines[key] for key in sorted(lines)]

    def _add_wanted(self, lines: dict[tuple[str, int], ModelState], name: str, model: WantedModel) -> None:
        if model.problem is not None:
            lines[name, 0] = ModelState(name, "", State.UNAVAILABLE.value, model.problem.message)
        for number, error in model.refused.items():
            _add(lines, name, number, State.UNAVAILABLE, error.message)
        for number in model.versions:
            failure = self._failures.get((name, number))
            reason = "unloaded" if name in self.unloaded else failure.error.message if failure else "not loaded yet"
            if (name, number) not in lines:
                _add(lines, name, number, State.UNAVAILABLE, reason)


def _add(lines: dict[tuple[str, int], ModelState], name: str, number: int, state: State, reason: str = "") -> None:
    lines[name, number] = ModelState(name, str(number), state.value, reason)
