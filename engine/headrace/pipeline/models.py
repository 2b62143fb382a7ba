"""The models of a workspace: its database, its packages and the keys it trusts, opened together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from headrace.core.clock import Clock
from headrace.core.database import open_database
from headrace.packaging import Registry
from headrace.packaging.signing import TrustedKeys
from headrace.packaging.stores import open_store
from headrace.pipeline.workspace import Workspace


@contextmanager
def opened_registry(workspace: Workspace, *, clock: Clock | None = None) -> Iterator[Registry]:
    """Give the registry of a workspace, and close its database afterwards.

    Raises:
        CorruptedError: the workspace's database is not readable.
        UnavailableError: it is a server that does not answer.
        InvalidInputError: a place, or a key, is not what is allowed.
    """
    engine = open_database(workspace.database)
    try:
        yield registry_over(engine, workspace, clock=clock)
    finally:
        engine.dispose()


def registry_over(engine: sa.Engine, workspace: Workspace, *, clock: Clock | None = None) -> Registry:
    """The registry of a workspace over its open database."""
    store = open_store(workspace.store, cache=workspace.package_cache)
    trust = TrustedKeys.read(workspace.trusted_keys) if workspace.trusted_keys else None
    return Registry(engine, store, clock=clock, trust=trust, signing_key=workspace.signing_key)
