"""Keeps the fleet equal to what the source wants: load, warm, switch, keep the old one a while.

Requests read `fleet`, one reference that is swapped whole: a switch takes no lock, drops no request, and costs the
requests that run nothing but the loading thread's share of the machine.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable

from headrace.core.clock import Clock
from headrace.core.errors import CorruptedError, HeadraceError
from headrace.core.hashing import SHORT_DIGEST_CHARS
from headrace.core.logging import get_logger
from headrace.serving.config import ServingConfig
from headrace.serving.models.fleet import Deployment, Fleet
from headrace.serving.models.loads import LoadRecord
from headrace.serving.models.source import ModelSource, WantedModel
from headrace.serving.models.version import ServedVersion, VersionIdentity
from headrace.serving.runtime.session import Session

_LOG = get_logger("serving")

KEPT_VERSIONS = 2
"""Versions of a model that stay loaded after the source stops wanting them: a rollback finds its target warm."""

LOOK_S = 5.0
"""The source is looked at this often even where its revision stands still: a failed load is tried again."""

WARM_ROWS = (1, 2, 64)


class FleetManager:
    """Owns the fleet.

    Invariants: `fleet` is replaced only by `refresh`, one at a time; a model whose champion cannot be loaded keeps the
    deployment it has.

    Args:
        source: what to follow.
        config: where and how models run.
        clock: monotonic time.
    """

    def __init__(self, source: ModelSource, config: ServingConfig, clock: Clock) -> None:
        self.fleet = Fleet()
        self.loads = LoadRecord()
        self._source = source
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: Hashable = object()
        self._look_at = 0.0

    def start(self) -> None:
        """Load everything that is wanted.

        Raises:
            HeadraceError: a champion cannot be loaded; the first error.
        """
        with self._lock:
            self._look_at = self._clock.monotonic() + LOOK_S
            self._seen = self._source.revision()
            self._apply(self._source.wanted(), strict=True)

    def refresh(self) -> bool:
        """Follow the source if it changed, or was not looked at for long; never raises for a bad model.

        Returns:
            Whether the source was looked at.
        """
        with self._lock:
            revision = self._source.revision()
            if revision == self._seen and self._clock.monotonic() < self._look_at:
                return False
            self._look_at = self._clock.monotonic() + LOOK_S
            try:
                wanted = self._source.wanted()
            except HeadraceError as error:
                _LOG.error("model_source_failed", error=error.message)
                return True
            self._seen = revision
            self._apply(wanted, strict=False)
            return True

    def _apply(self, wanted: tuple[WantedModel, ...], *, strict: bool) -> None:
        deployments = dict(self.fleet.deployments)
        for model in wanted:
            before = deployments.get(model.name)
            after = self._deploy(model, before, strict=strict)
            if after is not None:
                deployments[model.name] = after
                _log_switch(before, after)
        self.fleet = Fleet(deployments)

    def _deploy(self, model: WantedModel, before: Deployment | None, *, strict: bool) -> Deployment | None:
        loaded = dict(before.versions) if before is not None else {}
        for number in model.versions:
            # Taking a version out and in again moves it to the end: the order of the dictionary is order of last use.
            version = loaded.pop(number, None)
            try:
                loaded[number] = version if version is not None else self._load(model.name, number)
            except HeadraceError:
                if number == model.route.versions[0]:
                    if strict:
                        raise
                    return None
        unwanted = [number for number in loaded if number not in model.versions]
        for number in unwanted[: max(0, len(unwanted) - KEPT_VERSIONS)]:
            del loaded[number]
            _LOG.info("model_unloaded", model=model.name, version=number)
        return Deployment(model.name, model.route, loaded)

    def _load(self, name: str, number: int) -> ServedVersion:
        start = self._clock.monotonic()
        try:
            package = self._source.load(name, number)
            session = Session(package.model, device=self._config.device, name=f"{name}@{number}")
            features = package.signature.features
            _check_width(f"{name}@{number}", session, len(features))
            session.warm(WARM_ROWS)
        except HeadraceError as error:
            self.loads.failed(name, number, error)
            _LOG.error("model_load_failed", model=name, version=number, code=error.code.value, error=error.message)
            raise
        seconds = self._clock.monotonic() - start
        self.loads.succeeded(name, number, session.placement)
        log = _LOG.warning if session.placement.fell_back else _LOG.info
        log(
            "model_loaded",
            model=name,
            version=number,
            digest=package.digest[:SHORT_DIGEST_CHARS],
            device=session.placement.device,
            device_reason=session.placement.reason,
            seconds=round(seconds, 3),
        )
        identity = VersionIdentity(name, number, package.digest, features)
        return ServedVersion(identity, session, self._config.batching, self._clock)


def _check_width(name: str, session: Session, features: int) -> None:
    width = session.inputs[0].shape[-1]
    if features and width not in (-1, features):
        raise CorruptedError(f"{name}: the graph takes {width} features, the package's signature names {features}")


def _log_switch(before: Deployment | None, after: Deployment) -> None:
    if before is not None and before.route != after.route:
        _LOG.info(
            "routes_switched",
            model=after.name,
            champion_before=before.champion.identity.version,
            champion=after.champion.identity.version,
            versions=list(after.route.versions),
        )
