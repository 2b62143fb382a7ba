"""Models of the registry: it says which packages, the release ledger who answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from headrace.core.database import database_exists, open_database, redacted
from headrace.core.errors import HeadraceError, NotFoundError, UnavailableError
from headrace.packaging import Registry
from headrace.packaging.reference import CHAMPION, Reference
from headrace.packaging.signing import TrustedKeys
from headrace.packaging.stores import PackageStore
from headrace.rollout import Ledger, Router
from headrace.serving.models.fleet import FixedRoute, Route
from headrace.serving.models.registry_revision import watch_revision
from headrace.serving.models.source import Artifact, WantedModel, unknown_model

KEPT_VERSIONS = 2
"""Versions of a model that stay loaded after the ledger stops wanting them."""


class RegistrySource:
    """Follows references through the registry and the release ledger.

    `name` and `name@champion` follow the ledger where it knows the model, else the alias; `name@alias` follows the
    alias; `name@2` is fixed. Several references to one model load all their versions; the first decides who answers.

    Raises:
        InvalidInputError: a text is no reference.
        NotFoundError: the database does not exist.
        CorruptedError: the database cannot be read.
    """

    def __init__(
        self,
        references: tuple[str, ...],
        *,
        database: Path | str,
        store: Path | PackageStore,
        trust: TrustedKeys | None = None,
    ) -> None:
        self._references: dict[str, list[Reference]] = {}
        for text in references:
            reference = Reference.parse(text)
            self._references.setdefault(reference.name, []).append(reference)
        if not database_exists(database):
            raise NotFoundError(
                f"no registry at {redacted(database)}", hint="train and register a model first: headrace run"
            )
        self._engine = open_database(database)
        self._registry = Registry(self._engine, store, trust=trust)
        self._ledger = Ledger(self._engine)
        self._revision = watch_revision(self._engine)

    def revision(self) -> Hashable:
        """Mark of the index that changes when a commit can be read, not before."""
        with _readable():
            return self._revision.look()

    def wanted(self) -> tuple[WantedModel, ...]:
        """What the references mean now."""
        return tuple(self.look(name) for name in self._references)

    def look(self, name: str) -> WantedModel:
        """What the references to one model mean now."""
        if name not in self._references:
            raise unknown_model(name, self.names())
        try:
            with _readable():
                routes = [self._route(reference) for reference in self._references[name]]
        except UnavailableError:
            raise
        except HeadraceError as error:
            return WantedModel(name, None, (), kept=KEPT_VERSIONS, required=True, problem=error)
        versions = tuple(dict.fromkeys(version for route in routes for version in route.versions))
        return WantedModel(name, routes[0], versions, kept=KEPT_VERSIONS, required=True)

    def accept(self, model: WantedModel) -> None:
        """Nothing to keep: the registry is always followed."""

    def names(self) -> tuple[str, ...]:
        """Models that the references name."""
        return tuple(self._references)

    def load(self, model: WantedModel, version: int) -> Artifact:
        """Load and verify a package of the registry."""
        with _readable():
            package = self._registry.load(f"{model.name}@{version}")
        return Artifact(package.model, package.digest, package.signature.features, package.cuda_model)

    def close(self) -> None:
        """Close the database; who asks from another thread meanwhile gets an error."""
        self._revision.close()
        self._engine.dispose()

    def _route(self, reference: Reference) -> Route:
        if reference.alias == CHAMPION:
            router = Router(self._ledger.state(reference.name))
            if router.versions:
                return router
        return FixedRoute(self._registry.resolve(str(reference)).version)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise UnavailableError(f"the registry cannot be read: {error}") from error
