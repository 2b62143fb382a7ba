"""The registry: versions of models, the aliases that name them, and who moved which alias when and why.

Its index is a database (SQLite, or PostgreSQL by URI), its packages a content-addressed store (a folder, or an object
store). The package is stored before its version is written, so a version that can be read can be loaded, whenever the
writer died.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.core.clock import Clock, SystemClock
from headrace.core.database import ensure_tables, reading
from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError, did_you_mean
from headrace.packaging import aliases, retention
from headrace.packaging.aliases import AliasMove, AliasRecord
from headrace.packaging.loading import load_package
from headrace.packaging.package import Package
from headrace.packaging.reference import Reference, check_name
from headrace.packaging.registry_schema import METADATA, VERSIONS
from headrace.packaging.retention import Action, Retention, RetentionRecord
from headrace.packaging.signing import TrustedKeys, sign_digest
from headrace.packaging.stores import FolderStore, PackageStore

REGISTRATION = "registration"
"""The actor of what follows from registering a package."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version.

    Attributes:
        name: the model.
        version: 1, 2, 3, ... in order of registration.
        digest: the package's digest.
        path: where the package lies: in a store that is a folder; else, once it was loaded, in the local cache.
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
    or deleted in the index, an alias moves by a new row. The package of a version is in the store, or a row says that
    it was collected.

    Args:
        engine: from `core.database.open_database`.
        store: where packages are; a path is a folder.
        clock: source of the rows' times.
        trust: keys, one of which must have signed what is loaded or named by an alias; None: no signature is asked for.
        signing_key: private key that signs what is registered; None: nothing is signed.
    """

    def __init__(
        self,
        engine: sa.Engine,
        store: Path | PackageStore,
        *,
        clock: Clock | None = None,
        trust: TrustedKeys | None = None,
        signing_key: Path | None = None,
    ) -> None:
        self._engine = engine
        self._store = FolderStore(store) if isinstance(store, Path) else store
        self._clock = clock or SystemClock()
        self._trust = trust
        self._signing_key = signing_key
        ensure_tables(engine, METADATA)

    @property
    def engine(self) -> sa.Engine:
        """The database, for callers who open the transaction an alias moves in."""
        return self._engine

    @property
    def store(self) -> PackageStore:
        """Where packages are."""
        return self._store

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
        return self.register_package(package)

    def register_package(self, package: Package) -> ModelVersion:
        """Store a verified package under its own name, as `register` does; one that was collected is restored.

        Raises:
            InvalidInputError: the name is not allowed.
            UnavailableError: the store cannot be reached.
        """
        check_name("model name", package.name)
        signature = sign_digest(package.digest, self._signing_key) if self._signing_key is not None else None
        self._store.put(package)
        if signature is not None:
            self._store.sign(package.digest, *signature)
        with self._engine.begin() as tx:
            if not self._store.has(package.digest):  # collected since; nobody collects while this transaction is open
                self._store.put(package)
            known = tx.execute(
                sa.select(VERSIONS).where(VERSIONS.c.name == package.name, VERSIONS.c.digest == package.digest)
            ).one_or_none()
            if known is None:
                known = self._insert(tx, package)
            elif known.version in retention.state(tx, package.name).collected:
                restored = (package.name, known.version, Action.RESTORE, REGISTRATION, "registered again")
                retention.append(tx, RetentionRecord(0, *restored, self._clock.now()))
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
        with reading(self._engine) as tx:
            row = _find(tx, name, version)
        if row is None:
            known = self.versions(name)
            raise NotFoundError(f"model '{name}' has no version {version}; it has 1 to {len(known)}")
        return self._version(row)

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
            NotFoundError: no such model, version or alias, or its package is gone from the store, or was collected.
            CorruptedError: the stored package was altered.
            PermissionDeniedError: a signature is required, and no trusted key signed it.
        """
        version = self.resolve(reference)
        self.check_kept(version, reference)
        try:
            package = self._store.get(version.digest)
        except (CorruptedError, NotFoundError) as error:
            self.check_kept(version, reference)  # it may have been collected between the two looks
            raise type(error)(f"{reference}: {error.message}", hint=error.hint) from error
        self.check_signed(version)
        return package

    def check_signed(self, version: ModelVersion) -> None:
        """Refuse a version that no trusted key signed, where this registry asks for a signature.

        Raises:
            PermissionDeniedError: none did.
        """
        if self._trust is not None:
            self._trust.require(str(version), version.digest, self._store.signatures(version.digest))

    def aliases(self, name: str) -> dict[str, int]:
        """Where each alias of a model points.

        Raises:
            NotFoundError: no such model.
        """
        with reading(self._engine) as tx:
            current = aliases.current(tx, name)
        if not current:
            self.versions(name)
        return current

    def set_alias(self, tx: sa.Connection, move: AliasMove) -> AliasRecord:
        """Move an alias inside the caller's transaction, so that a release and its alias change together.

        Raises:
            InvalidInputError: the alias is not allowed.
            NotFoundError: no such model or version, or its package was collected.
            PermissionDeniedError: a signature is required, and no trusted key signed the version.
        """
        record = aliases.append(tx, move)
        row = None if move.version is None else _find(tx, move.name, move.version)
        if row is not None:
            self.check_signed(self._version(row))
        return record

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

    def retention(self, name: str) -> Retention:
        """Which versions of a model are pinned, and which were collected."""
        with reading(self._engine) as tx:
            return retention.state(tx, name)

    def retention_history(self, name: str) -> tuple[RetentionRecord, ...]:
        """Every pin, collection and restoration of a model, oldest first."""
        with reading(self._engine) as tx:
            return retention.history(tx, name)

    def _insert(self, tx: sa.Connection, package: Package) -> sa.Row[Any]:
        latest = tx.scalar(sa.select(sa.func.max(VERSIONS.c.version)).where(VERSIONS.c.name == package.name)) or 0
        created_at = self._clock.now().isoformat()
        row = {"name": package.name, "version": latest + 1, "digest": package.digest, "created_at": created_at}
        return tx.execute(sa.insert(VERSIONS).values(row).returning(*VERSIONS.c)).one()

    def check_kept(self, version: ModelVersion, reference: str) -> None:
        """Refuse a version whose package was collected.

        Raises:
            NotFoundError: it was; the message says when, by whom and why.
        """
        collected = self.retention(version.name).collected.get(version.version)
        if collected is not None:
            raise NotFoundError(
                f"{reference}: the package of {version} was collected on {collected.at:%Y-%m-%d} by "
                f"{collected.actor}: {collected.reason}",
                hint=retention.RESTORE_HINT,
            )

    def _version(self, row: sa.Row[Any]) -> ModelVersion:
        created_at = datetime.fromisoformat(row.created_at)
        return ModelVersion(row.name, row.version, row.digest, self._store.path(row.digest), created_at)

    def _unknown_model(self, name: str) -> NotFoundError:
        known = self.names()
        listed = ", ".join(known) or "none yet"
        return NotFoundError(f"no model '{name}' is registered; registered: {listed}", hint=did_you_mean(name, known))


def _find(tx: sa.Connection, name: str, version: int) -> sa.Row[Any] | None:
    found = sa.select(VERSIONS).where(VERSIONS.c.name == name, VERSIONS.c.version == version)
    return tx.execute(found).one_or_none()
