"""Keeps the fleet equal to what the source wants: load, warm, switch, let go.

Requests read `fleet`, one reference that is swapped whole: a switch takes no lock and drops no request. Loading runs on
the thread that asks for it, the watcher's as a rule, and gives Python's lock back ten times sooner than usual: requests
notice a load by its share of the CPU and little else (docs/decisions/0508).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager

from headrace.core.clock import Clock
from headrace.core.errors import (
    HeadraceError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UnimplementedError,
)
from headrace.core.hashing import SHORT_DIGEST_CHARS
from headrace.core.logging import get_logger
from headrace.serving.config import ServingConfig
from headrace.serving.models.builder import DeploymentBuilder
from headrace.serving.models.change import FOLLOW, Action, Change, Prepared
from headrace.serving.models.fleet import Deployment, Fleet
from headrace.serving.models.loader import Loader
from headrace.serving.models.source import ModelSource, unknown_model
from headrace.serving.models.states import ModelState, State, StateBoard

_LOG = get_logger("serving")

TURN_S = 0.0005
"""How long a thread keeps Python's lock from others while a model is loaded; usually it is ten times that."""

LOOK_S = 5.0
"""The source is looked at this often even where its revision stands still: it may not show every change."""


class FleetManager:
    """Owns the fleet.

    Invariants: `fleet` is replaced only by `commit`, one at a time; a model that cannot be loaded keeps the deployment
    it has; a model that was unloaded on request is loaded again on request only.

    Attributes:
        fleet: what is served.
        listeners: told of every fleet after it is swapped in, the first included, by the thread that swapped it.
        conductor: does a change, wherever it must be done: in this process, by `apply`, unless somebody who conducts
            several processes takes its place. It raises what `load` or `unload` shall raise.

    Args:
        source: what to follow.
        config: where and how models run.
        clock: monotonic time.
    """

    def __init__(self, source: ModelSource, config: ServingConfig, clock: Clock) -> None:
        self.fleet = Fleet()
        self.listeners: list[Callable[[Fleet], None]] = []
        self.conductor: Callable[[Change], None] = self.apply
        self._source = source
        self._clock = clock
        self._loader = Loader(source, config, clock, serving=lambda: bool(self.fleet.deployments))
        self.loads = self._loader.loads
        self.cache = self._loader.cache
        self._board = StateBoard(clock)
        self._builder = DeploymentBuilder(self._loader, self._board)
        self._preparing = threading.Lock()
        self._swapping = threading.Lock()
        self._refreshing = threading.Lock()
        self._applying = threading.Lock()
        self._seen: Hashable = object()
        self._look_at = 0.0

    def start(self) -> None:
        """Load everything that is wanted.

        Raises:
            HeadraceError: a model that is required cannot be served; the first such error.
        """
        with self._refreshing:
            self._look_at = self._clock.monotonic() + LOOK_S
            self._seen = self._source.revision()
            prepared = self.prepare(FOLLOW)
            for model in prepared.wanted:
                if model.required and model.name in prepared.failures:
                    raise prepared.failures[model.name]
            self.commit(prepared)

    def refresh(self) -> bool:
        """Follow the source if it changed, or was not looked at for long; never raises for a bad model.

        Returns:
            Whether the source was looked at.
        """
        with self._refreshing:
            try:
                with self._preparing:
                    revision = self._source.revision()
                if revision == self._seen and self._clock.monotonic() < self._look_at:
                    return False
                self._seen = revision
                self._look_at = self._clock.monotonic() + LOOK_S
                self.conductor(FOLLOW)
            except HeadraceError as error:
                self._look_at = self._clock.monotonic() + LOOK_S
                _LOG.error("model_source_failed", error=error.message)
            return True

    def load(self, name: str, parameters: Mapping[str, object]) -> None:
        """Load a model as its source has it now, or load it again; on failure everything stays as it was.

        Raises:
            NotFoundError: no source has such a model, or its content is gone.
            CorruptedError: its content is no graph that runs, or was altered.
            InvalidInputError: a parameter is unknown, or the model's settings are not what is allowed.
            UnimplementedError: a parameter would override what the source says.
            UnavailableError: it cannot be read at the moment, or another change came in between.
        """
        for key in parameters:
            if key == "config" or key.startswith("file:"):
                raise UnimplementedError(
                    f"load parameter '{key}' is not supported: a model is served as its source has it",
                    hint="write its settings into model.toml beside its versions",
                )
            raise InvalidInputError(f"load parameter '{key}' is unknown; none is taken")
        self.conductor(Change(Action.LOAD, name))

    def unload(self, name: str, *, dependents: bool) -> None:
        """Stop serving a model until it is loaded on request; requests that run are answered.

        Args:
            name: whose.
            dependents: unload what depends on it too: nothing does, every model stands alone.

        Raises:
            NotFoundError: no such model is known.
            UnavailableError: another change came in between.
        """
        del dependents
        self.conductor(Change(Action.UNLOAD, name))

    def index(self, *, ready_only: bool) -> list[ModelState]:
        """Every known version: what it is doing and why. Without a source's names where it cannot be read."""
        try:
            names = self._source.names()
        except HeadraceError as error:
            _LOG.error("model_source_failed", error=error.message)
            names = ()
        found = self._board.index(self.fleet, names)
        return [line for line in found if not ready_only or line.state == State.READY.value]

    def apply(self, change: Change) -> None:
        """Prepare and commit a change in this process.

        Raises:
            HeadraceError: it cannot be prepared; nothing has changed.
        """
        with self._applying:
            self.commit(self.prepare(change))

    def prepare(self, change: Change) -> Prepared:
        """Load and warm what a change needs, one change at a time; nothing is served differently yet.

        To load or unload one model is to do it or to raise; to follow the sources is to do what can be done.

        Raises:
            HeadraceError: the model cannot be loaded, there is none of that name, or a source cannot be read.
        """
        with self._preparing, _brief_turns():
            if change.action is Action.FOLLOW:
                return self._prepare_all(change)
            if change.action is Action.LOAD:
                return self._prepare_one(change)
            return self._prepare_without(change)

    def commit(self, prepared: Prepared) -> None:
        """Serve what was prepared, and tell the listeners if that is something else than before.

        Raises:
            UnavailableError: something else was committed since it was prepared.
        """
        with self._swapping:
            if self.fleet is not prepared.base:
                raise UnavailableError("another change of models came in between", hint="try again")
            self._remember(prepared)
            if prepared.changed:
                self.fleet = prepared.fleet
                _say_what_switched(prepared.base, prepared.fleet)
                self._let_go(prepared.base, prepared.fleet)
                for listener in self.listeners:
                    listener(prepared.fleet)

    def abort(self, prepared: Prepared) -> None:
        """Let go of what was prepared; nothing has changed, and the caller drops `prepared`."""
        _LOG.warning("change_aborted", **prepared.change.to_json())

    def _prepare_all(self, change: Change) -> Prepared:
        base, wanted = self.fleet, self._source.wanted()
        self._board.know(wanted)
        failures: dict[str, HeadraceError] = {}
        deployments: dict[str, Deployment] = {}
        for model in wanted:
            if model.name in self._board.unloaded:
                continue
            before = base.deployments.get(model.name)
            after, error = self._builder.build(model, before, again=False)
            if error is not None:
                failures[model.name] = error
            if after is not None:
                deployments[model.name] = after
        return Prepared(change, base, _replace(base, deployments), wanted, failures)

    def _prepare_one(self, change: Change) -> Prepared:
        base, model = self.fleet, self._source.look(change.model)
        self._board.ask(model)
        after, error = self._builder.build(model, base.deployments.get(model.name), again=True)
        try:
            if error is not None or after is None:
                raise error or NotFoundError(f"model '{model.name}' has no version to load")
        finally:
            del error  # it would hold this frame, and the frame the fleet
        return Prepared(change, base, _replace(base, {**base.deployments, model.name: after}), (model,))

    def _prepare_without(self, change: Change) -> Prepared:
        base, name = self.fleet, change.model
        known = tuple({*base.deployments, *self._source.names()})
        if name not in known:
            raise unknown_model(name, known)
        rest = {other: deployment for other, deployment in base.deployments.items() if other != name}
        return Prepared(change, base, _replace(base, rest))

    def _remember(self, prepared: Prepared) -> None:
        change = prepared.change
        if change.action is Action.LOAD:
            with self._preparing:
                self._source.accept(prepared.wanted[0])
            self._board.loaded(prepared.wanted[0])
        elif change.action is Action.UNLOAD:
            self._board.unloaded |= {change.model}

    def _let_go(self, before: Fleet, after: Fleet) -> None:
        for name, deployment in before.deployments.items():
            now = after.deployments.get(name)
            served = now.versions if now is not None else {}
            for number, version in deployment.versions.items():
                if served.get(number) is not version:
                    self._board.leave(version)
                    digest = version.identity.digest[:SHORT_DIGEST_CHARS]
                    _LOG.info("model_unloaded", model=name, version=number, digest=digest)


def _replace(base: Fleet, deployments: Mapping[str, Deployment]) -> Fleet:
    """The fleet with these deployments; the same object where they are the same."""
    same = len(deployments) == len(base.deployments) and all(
        base.deployments.get(name) is deployment for name, deployment in deployments.items()
    )
    return base if same else Fleet(deployments)


def _say_what_switched(before: Fleet, after: Fleet) -> None:
    for name, now in after.deployments.items():
        then = before.deployments.get(name)
        if then is not None and then.route != now.route:
            _LOG.info(
                "routes_switched",
                model=name,
                champion_before=then.champion.identity.version,
                champion=now.champion.identity.version,
                versions=list(now.route.versions),
            )


@contextmanager
def _brief_turns() -> Iterator[None]:
    """Make threads take short turns with Python's lock; for one caller at a time: the setting is the process's."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, TURN_S))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
