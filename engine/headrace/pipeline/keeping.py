"""Where pins and collections meet the release ledger: what a release holds is never collected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa

from headrace.core.clock import Clock, SystemClock
from headrace.packaging.collection import Keeper
from headrace.pipeline.models import opened_registry
from headrace.pipeline.workspace import Workspace
from headrace.rollout import Ledger


@contextmanager
def open_keeper(workspace: Workspace, *, actor: str, clock: Clock | None = None) -> Iterator[Keeper]:
    """Give the keeper of a workspace's packages, with the ledger's needs.

    Raises:
        HeadraceError: as for opening the registry.
    """
    clock = clock or SystemClock()
    with opened_registry(workspace, clock=clock) as registry:
        ledger = Ledger(registry.engine)

        def needs(tx: sa.Connection, name: str) -> Mapping[int, str]:
            state = ledger.state(name, tx)
            held = {
                state.previous: "where a rollback goes",
                state.candidate: "the candidate of a release under way",
                state.champion: "the champion of the release ledger",
            }
            return {version: reason for version, reason in held.items() if version is not None}

        yield Keeper(registry, actor, clock, needs)
