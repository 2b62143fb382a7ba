"""Where the release ledger and the registry's aliases meet: one transaction moves both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.core.clock import Clock, SystemClock
from headrace.core.database import open_database
from headrace.packaging import AliasMove, Registry
from headrace.pipeline.models import registry_over
from headrace.pipeline.workspace import Workspace
from headrace.rollout import AliasMove as ReleaseMove
from headrace.rollout import Ledger, ReleaseEvent, Releases, ReleaseState


def open_desk(workspace: Workspace, *, actor: str, clock: Clock | None = None) -> Releases:
    """Release operations over a workspace's registry and ledger.

    Raises:
        CorruptedError: the workspace's database is not readable.
    """
    engine = open_database(workspace.database)
    return desk_over(registry_over(engine, workspace), actor=actor, clock=clock or SystemClock())


def release_desk(engine: sa.Engine, home: Path, *, actor: str, clock: Clock) -> Releases:
    """Release operations over an open database and a folder of packages."""
    return desk_over(Registry(engine, home, clock=clock), actor=actor, clock=clock)


def desk_over(registry: Registry, *, actor: str, clock: Clock) -> Releases:
    """Release operations over a registry: every step writes the ledger and moves the alias, or does nothing."""

    def move_alias(transaction: sa.Connection, move: ReleaseMove) -> None:
        registry.set_alias(
            transaction,
            AliasMove(
                name=move.model,
                alias=move.alias,
                version=move.version,
                actor=move.actor,
                reason=move.reason,
                at=move.at,
            ),
        )

    return Releases(ledger=Ledger(registry.engine), clock=clock, move_alias=move_alias, actor=actor)


def state_json(state: ReleaseState) -> dict[str, Any]:
    """A release state as JSON data."""
    return {
        "model": state.model,
        "status": state.status.value,
        "champion": state.champion,
        "previous": state.previous,
        "candidate": state.candidate,
        "strategy": state.strategy.value if state.strategy else None,
        "share": state.share,
        "sequence": state.sequence,
    }


def event_json(event: ReleaseEvent) -> dict[str, Any]:
    """A ledger event as JSON data."""
    return {
        "sequence": event.sequence,
        "at": event.at.isoformat(),
        "kind": event.kind.value,
        "version": event.version,
        "share": event.share,
        "strategy": event.strategy.value if event.strategy else None,
        "actor": event.actor,
        "reason": event.reason,
    }
