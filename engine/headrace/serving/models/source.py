"""Where models come from, whatever they are kept in: what shall be served, and the bytes of one version."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from headrace.core.clock import Clock, SystemClock
from headrace.core.errors import HeadraceError, InvalidInputError, NotFoundError, did_you_mean
from headrace.core.logging import get_logger
from headrace.serving.config import BatchingConfig, ServingConfig
from headrace.serving.models.fleet import Route

_LOG = get_logger("serving")


@dataclass(frozen=True)
class Artifact:
    """One version's content, verified.

    Attributes:
        model: the ONNX graph.
        digest: of the package, or of the file where there is no package.
        features: names of the columns of the first input; empty where nobody says.
        cuda_model: the same graph as operations that CUDA has; None where there is none.
    """

    model: bytes
    digest: str
    features: tuple[str, ...] = ()
    cuda_model: bytes | None = None


@dataclass(frozen=True)
class WantedModel:
    """What shall be served under one name.

    Attributes:
        name: the model's name.
        route: who answers a request that names no version; None: the first of `versions` that could be loaded.
        versions: versions to load, the one that answers first.
        stamps: what tells one content of a version from another; none where a version's content never changes.
        batching: bounds of the model's queues; None: the server's.
        kept: versions that stay loaded after they are no longer wanted: a rollback finds its target warm.
        required: whether the server shall refuse to start without it.
        problem: why nothing of it can be served, whatever its versions; what is loaded stays.
        refused: versions that are there and cannot be taken, by number, with the reason.
    """

    name: str
    route: Route | None
    versions: tuple[int, ...]
    stamps: Mapping[int, str] = field(default_factory=dict)
    batching: BatchingConfig | None = None
    kept: int = 0
    required: bool = False
    problem: HeadraceError | None = None
    refused: Mapping[int, HeadraceError] = field(default_factory=dict)

    def mark(self, version: int) -> str:
        """Mark of a version's content and bounds: one that was loaded under another mark is loaded again."""
        return f"{self.stamps.get(version, '')} {self.batching or ''}"


class ModelSource(Protocol):
    """What the server follows; called by one thread at a time."""

    def revision(self) -> Hashable:
        """Cheap mark that differs whenever `wanted` may; asked many times a second.

        Raises:
            UnavailableError: the source cannot be read at the moment.
        """
        ...

    def wanted(self) -> tuple[WantedModel, ...]:
        """What shall be served now; a model that cannot be is there with its `problem`.

        Raises:
            UnavailableError: the source cannot be read at the moment.
        """
        ...

    def look(self, name: str) -> WantedModel:
        """Read one model afresh, on somebody's request; `wanted` does not change before `accept`.

        Raises:
            NotFoundError: the source has no such model.
            UnavailableError: the source cannot be read at the moment.
        """
        ...

    def accept(self, model: WantedModel) -> None:
        """Keep to what `look` found: it is served now."""
        ...

    def names(self) -> tuple[str, ...]:
        """Models that `look` would find."""
        ...

    def load(self, model: WantedModel, version: int) -> Artifact:
        """Read and verify one version.

        Raises:
            NotFoundError: no such version, or its content is gone.
            CorruptedError: its content was altered.
            UnavailableError: it cannot be read at the moment.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class CompositeSource:
    """Several sources as one. A name belongs to the first source that knows it; a later one's is refused in words.

    Args:
        sources: at least one, the one that wins first.
    """

    def __init__(self, sources: tuple[ModelSource, ...]) -> None:
        self._sources = sources
        self._last: dict[int, tuple[WantedModel, ...]] = {}
        self._shadowed: frozenset[str] = frozenset()

    def revision(self) -> Hashable:
        """The revisions of all."""
        return tuple(source.revision() for source in self._sources)

    def wanted(self) -> tuple[WantedModel, ...]:
        """What all want; a source that cannot be read keeps what it wanted last.

        Raises:
            UnavailableError: a source cannot be read and never could.
        """
        found: dict[str, WantedModel] = {}
        shadowed: set[str] = set()
        for position, source in enumerate(self._sources):
            for model in self._ask(position, source):
                if model.name in found:
                    shadowed.add(model.name)
                else:
                    found[model.name] = model
        for name in shadowed - self._shadowed:
            _LOG.warning("model_shadowed", model=name, reason="the registry serves a model of that name")
        self._shadowed = frozenset(shadowed)
        return tuple(found.values())

    def look(self, name: str) -> WantedModel:
        """Read one model afresh, from the first source that has it."""
        return self._owner(name).look(name)

    def accept(self, model: WantedModel) -> None:
        """Tell the source that has it."""
        self._owner(model.name).accept(model)

    def names(self) -> tuple[str, ...]:
        """Models of all sources."""
        return tuple(dict.fromkeys(name for source in self._sources for name in source.names()))

    def load(self, model: WantedModel, version: int) -> Artifact:
        """Read one version where its model is kept."""
        return self._owner(model.name).load(model, version)

    def close(self) -> None:
        """Close all."""
        for source in self._sources:
            source.close()

    def _ask(self, position: int, source: ModelSource) -> tuple[WantedModel, ...]:
        try:
            self._last[position] = source.wanted()
        except HeadraceError as error:
            if position not in self._last:
                raise
            _LOG.error("model_source_failed", error=error.message)
        return self._last[position]

    def _owner(self, name: str) -> ModelSource:
        for source in self._sources:
            if name in source.names():
                return source
        raise unknown_model(name, self.names())


def unknown_model(name: str, known: tuple[str, ...]) -> NotFoundError:
    """The error for a model that no source has."""
    listed = ", ".join(sorted(known)) or "none"
    return NotFoundError(f"no model '{name}' can be loaded; there are: {listed}", hint=did_you_mean(name, known))


def open_source(config: ServingConfig, clock: Clock | None = None) -> ModelSource:
    """Open what the configuration names: the registry, a repository folder, or both.

    Raises:
        NotFoundError: the registry or the folder does not exist.
        CorruptedError: the registry cannot be read.
        InvalidInputError: a text is no reference; neither is named.
    """
    sources: list[ModelSource] = []
    # Each is imported where it is used: a server over a plain folder does without SQL.
    if config.models and config.database is not None and config.store is not None:
        from headrace.packaging.signing import TrustedKeys
        from headrace.packaging.stores import open_store
        from headrace.serving.models.registry_source import RegistrySource

        sources.append(
            RegistrySource(
                config.models,
                database=config.database,
                store=open_store(config.store, cache=config.package_cache),
                trust=TrustedKeys.read(config.trusted_keys) if config.trusted_keys else None,
            )
        )
    if config.repository is not None:
        from headrace.serving.models.repository_source import RepositorySource

        sources.append(
            RepositorySource(
                config.repository, batching=config.batching, watch=config.watch, clock=clock or SystemClock()
            )
        )
    if not sources:
        raise InvalidInputError("no model to serve", hint="name one, such as late@champion, or a repository folder")
    return sources[0] if len(sources) == 1 else CompositeSource(tuple(sources))
