"""The registry: versions of models, the aliases that name them, and who moved which alias when and why.

Its index is a database (SQLite, or PostgreSQL by URI), its packages a content-addressed store. The package is stored
before its version is written, so a version that can be read can be loaded, whenever the writer died.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.core.clock import Clock, SystemClock
from headrace.core.database import reading
from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError, did_you_mean
from headrace.packaging import aliases
from headrace.packaging.aliases import AliasMove, AliasRecord
from headrace.packaging.package import Package, load_package
from headrace.packaging.reference import Reference, check_name
from headrace.packaging.registry_schema import METADATA, VERSIONS
from headrace.packaging.store import PackageStore


@dataclass(frozen=True)
class ModelVersion:
    """One registered version.

    Attributes:
        name: the model.
        version: 1, 2, 3, ... in order of registration.
        digest: the package's digest.
        path: the package's directory in the store.
        created_at: when it was registered, UTC.
    """

    name: str
    version: int
    digest: str
    path: Path
    created_at: datetime

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class Registry:
    """Versions and aliases over one database and one package store.

    Invariants: versions of a name are 1..n without gaps; one digest is one version of a name; nothing is ever changed
    or deleted, an alias moves by a new row.
    """

    def __init__(self, engine: sa.Engine, store: Path, *, clock: Clock | None = None) -> None:
        self._engine = engine
        self._store = PackageStore(store)
        self._clock = clock or SystemClock()
        with engine.begin() as tx:
            METADATA.create_all(tx)

    @property
    def engine(self) -> sa.Engine:
        """The database, for callers who open the transaction an alias moves in."""
        return self._engine

    def register(self, name: str, package_dir: Path) -> ModelVersion:
        """Store a package and give it the next version; the same package again gives the version it has.

        Raises:
            InvalidInputError: the name is not allowed, or the package is of another model.
            NotFoundError: no package at that place.
            CorruptedError: the package was altered.
        """
        check_name("model name", name)
        package = load_package(package_dir)
        if package.name != name:
            raise InvalidInputError(f"package {package_dir} holds model '{package.name}', not '{name}'")
        self._store.put(package)
        with self._engine.begin() as tx:
            known = tx.execute(
                sa.select(VERSIONS).where(VERSIONS.c.name == name, VERSIONS.c.digest == package.digest)
            ).one_or_none()
            if known is None:
                latest = tx.scalar(sa.select(sa.func.max(VERSIONS.c.version)).where(VERSIONS.c.name == name)) or 0
                known = tx.execute(
                    sa.insert(VERSIONS)
                    .values(
                        name=name,
                        version=latest + 1,
                        digest=package.digest,
                        created_at=self._clock.now().isoformat(),
                    )
                    .returning(*VERSIONS.c)
                ).one()
        return self._version(known)

    def names(self) -> tuple[str, ...]:
        """Registered models, in alphabetical order."""
        with reading(self._engine) as tx:
            return tuple(tx.scalars(sa.select(VERSIONS.c.name).distinct().order_by(VERSIONS.c.name)))

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Versions of a model, oldest first.

        Raises:
            NotFoundError: no such model.
        """
        with reading(self._engine) as tx:
            rows = tx.execute(sa.select(VERSIONS).where(VERSIONS.c.name == name).order_by(VERSIONS.c.version)).all()
        if not rows:
            raise self._unknown_model(name)
        return tuple(map(self._version, rows))

    def get(self, name: str, version: int) -> ModelVersion:
        """One version of a model.

        Raises:
            NotFoundError: no such model or version.
        """
        known = self.versions(name)
        if not 1 <= version <= len(known):
            raise NotFoundError(f"model '{name}' has no version {version}; it has 1 to {len(known)}")
        return known[version - 1]

    def resolve(self, reference: str) -> ModelVersion:
        """Find what `late`, `late@2` or `late@champion` names; a bare name means its champion.

        Raises:
            InvalidInputError: the text is no reference.
            NotFoundError: no such model, version or alias.
        """
        wanted = Reference.parse(reference)
        if wanted.version is not None:
            return self.get(wanted.name, wanted.version)
        assert wanted.alias is not None
        current = self.aliases(wanted.name)
        if wanted.alias not in current:
            known = ", ".join(f"{alias} ({version})" for alias, version in sorted(current.items())) or "none"
            raise NotFoundError(
                f"model '{wanted.name}' has no alias '{wanted.alias}'; its aliases: {known}",
                hint=did_you_mean(wanted.alias, current) or f"name a version: {wanted.name}@1",
            )
        return self.get(wanted.name, current[wanted.alias])

    def load(self, reference: str) -> Package:
        """Load and verify the package a reference names.

        Raises:
            InvalidInputError: the text is no reference.
            NotFoundError: no such model, version or alias, or its package is gone from the store.
            CorruptedError: the stored package was altered.
        """
        version = self.resolve(reference)
        try:
            return self._store.get(version.digest)
        except (CorruptedError, NotFoundError) as error:
            raise type(error)(f"{reference}: {error.message}", hint=error.hint) from error

    def aliases(self, name: str) -> dict[str, int]:
        """Where each alias of a model points.

        Raises:
            NotFoundError: no such model.
        """
        self.versions(name)
        with reading(self._engine) as tx:
            return aliases.current(tx, name)

    def set_alias(self, tx: sa.Connection, move: AliasMove) -> AliasRecord:
        """Move an alias inside the caller's transaction, so that a release and its alias change together.

        Raises:
            InvalidInputError: the alias is not allowed.
            NotFoundError: no such model or version.
        """
        return aliases.append(tx, move)

    def history(self, name: str) -> tuple[AliasRecord, ...]:
        """Every move of every alias of a model, oldest first."""
        with reading(self._engine) as tx:
            return aliases.history(tx, name)

    def previous(self, name: str, alias: str) -> ModelVersion | None:
        """The version the alias named before its last move; None where there is none to go back to."""
        moves = [record for record in self.history(name) if record.alias == alias]
        if not moves or moves[-1].previous_version is None:
            return None
        return self.get(name, moves[-1].previous_version)

    def _version(self, row: sa.Row[Any]) -> ModelVersion:
        created_at = datetime.fromisoformat(row.created_at)
        return ModelVersion(row.name, row.version, row.digest, self._store.path(row.digest), created_at)

    def _unknown_model(self, name: str) -> NotFoundError:
        known = self.names()
        listed = ", ".join(known) or "none yet"
        return NotFoundError(f"no model '{name}' is registered; registered: {listed}", hint=did_you_mean(name, known))
