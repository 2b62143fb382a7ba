"""Where models come from: the registry says which packages, the release ledger who answers."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headrace.core.database import open_database
from headrace.core.errors import NotFoundError, UnimplementedError
from headrace.packaging import Package, Registry
from headrace.packaging.reference import CHAMPION, Reference
from headrace.rollout import Ledger, Router
from headrace.serving.config import ServingConfig
from headrace.serving.models.fleet import FixedRoute, Route


@dataclass(frozen=True)
class WantedModel:
    """What shall be served under one name.

    Attributes:
        name: the model's name.
        route: who answers a request that names no version.
        versions: versions to load, the champion first.
    """

    name: str
    route: Route
    versions: tuple[int, ...]


class ModelSource(Protocol):
    """What the server follows."""

    def revision(self) -> Hashable:
        """Cheap mark that differs whenever `wanted` may; asked many times a second."""
        ...

    def wanted(self) -> tuple[WantedModel, ...]:
        """What shall be served now.

        Raises:
            NotFoundError: a model, version or alias does not exist.
        """
        ...

    def load(self, name: str, version: int) -> Package:
        """Load and verify a package.

        Raises:
            NotFoundError: no such version, or its package is gone.
            CorruptedError: the package was altered.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class RegistrySource:
    """Follows references through the embedded registry and the release ledger.

    `name` and `name@champion` follow the ledger where it knows the model, else the alias; `name@alias` follows the
    alias; `name@2` is fixed. Several references to one model load all their versions; the first decides who answers.

    Raises:
        InvalidInputError: a text is no reference.
        NotFoundError: the database does not exist.
        CorruptedError: the database cannot be read.
    """

    def __init__(self, references: tuple[str, ...], *, database: Path, store: Path) -> None:
        self._references = tuple(Reference.parse(text) for text in references)
        if not database.exists():
            raise NotFoundError(f"no registry at {database}", hint="train and register a model first: headrace run")
        self._engine = open_database(database)
        self._watch = self._engine.raw_connection()
        self._registry = Registry(self._engine, store)
        self._ledger = Ledger(self._engine)

    def revision(self) -> Hashable:
        """SQLite's count of commits by other connections, which changes when a commit can be read, not before.

        Times and sizes of the files would change earlier: a look in between would miss the commit for good.
        """
        cursor = self._watch.cursor()
        try:
            return int(cursor.execute("PRAGMA data_version").fetchone()[0])
        finally:
            cursor.close()

    def wanted(self) -> tuple[WantedModel, ...]:
        """What the references mean now."""
        found: dict[str, WantedModel] = {}
        for reference in self._references:
            route = self._route(reference)
            first = found.get(reference.name)
            if first is None:
                found[reference.name] = WantedModel(reference.name, route, route.versions)
            else:
                versions = tuple(dict.fromkeys((*first.versions, *route.versions)))
                found[reference.name] = WantedModel(reference.name, first.route, versions)
        return tuple(found.values())

    def load(self, name: str, version: int) -> Package:
        """Load and verify a package of the registry."""
        return self._registry.load(f"{name}@{version}")

    def close(self) -> None:
        """Close the database."""
        self._watch.close()
        self._engine.dispose()

    def _route(self, reference: Reference) -> Route:
        if reference.alias == CHAMPION:
            router = Router(self._ledger.state(reference.name))
            if router.versions:
                return router
        return FixedRoute(self._registry.resolve(str(reference)).version)


def open_source(config: ServingConfig) -> ModelSource:
    """Open what the configuration names.

    Raises:
        NotFoundError: the registry does not exist.
        CorruptedError: the registry cannot be read.
        UnimplementedError: a plain repository folder is named.
    """
    if config.database is None or config.store is None:
        raise UnimplementedError("a plain repository folder cannot be served yet")
    return RegistrySource(config.models, database=config.database, store=config.store)
