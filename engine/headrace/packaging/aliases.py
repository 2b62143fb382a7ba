"""Aliases as a fold over their moves: the latest move of an alias is where it points, all moves are its history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from headrace.core.errors import NotFoundError
from headrace.packaging import retention
from headrace.packaging.reference import check_alias
from headrace.packaging.registry_schema import ALIAS_MOVES, VERSIONS, next_sequence


@dataclass(frozen=True)
class AliasMove:
    """A wish to move an alias.

    Attributes:
        name: the model.
        alias: such as `champion`.
        version: where it shall point; None takes the alias away.
        actor: who moves it, a person or a policy.
        reason: why, in words.
        at: when, aware.
    """

    name: str
    alias: str
    version: int | None
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class AliasRecord:
    """A move that happened: what `AliasMove` says, its place in the order of all moves, and where the alias was."""

    sequence: int
    name: str
    alias: str
    version: int | None
    previous_version: int | None
    actor: str
    reason: str
    at: datetime


def current(tx: sa.Connection, name: str) -> dict[str, int]:
    """Where each alias of a model points now."""
    latest = (
        sa.select(sa.func.max(ALIAS_MOVES.c.sequence)).where(ALIAS_MOVES.c.name == name).group_by(ALIAS_MOVES.c.alias)
    )
    rows = tx.execute(
        sa.select(ALIAS_MOVES.c.alias, ALIAS_MOVES.c.version)
        .where(ALIAS_MOVES.c.sequence.in_(latest), ALIAS_MOVES.c.version.is_not(None))
        .order_by(ALIAS_MOVES.c.alias)
    )
    return {row.alias: row.version for row in rows}


def append(tx: sa.Connection, move: AliasMove) -> AliasRecord:
    """Write a move.

    Raises:
        InvalidInputError: the alias is not allowed.
        NotFoundError: the version does not exist, or its package was collected.
    """
    check_alias(move.alias)
    if move.version is not None:
        _check_target(tx, move, move.version)
    row = tx.execute(
        sa.insert(ALIAS_MOVES)
        .values(
            sequence=next_sequence(tx, ALIAS_MOVES),
            name=move.name,
            alias=move.alias,
            version=move.version,
            previous_version=_where(tx, move.name, move.alias),
            actor=move.actor,
            reason=move.reason,
            at=move.at.isoformat(),
        )
        .returning(*ALIAS_MOVES.c)
    ).one()
    return _record(row)


def history(tx: sa.Connection, name: str) -> tuple[AliasRecord, ...]:
    """Every move of every alias of a model, oldest first."""
    rows = tx.execute(sa.select(ALIAS_MOVES).where(ALIAS_MOVES.c.name == name).order_by(ALIAS_MOVES.c.sequence))
    return tuple(map(_record, rows))


def _where(tx: sa.Connection, name: str, alias: str) -> int | None:
    """The version one alias points to now."""
    moves = sa.select(ALIAS_MOVES.c.version).where(ALIAS_MOVES.c.name == name, ALIAS_MOVES.c.alias == alias)
    return tx.scalar(moves.order_by(ALIAS_MOVES.c.sequence.desc()).limit(1))


def _check_target(tx: sa.Connection, move: AliasMove, version: int) -> None:
    wish = f"alias '{move.alias}' cannot point to {move.name}@{version}"
    if tx.scalar(sa.select(sa.literal(1)).where(VERSIONS.c.name == move.name, VERSIONS.c.version == version)) is None:
        raise NotFoundError(f"{wish}: no such version")
    collected = retention.state(tx, move.name).collected.get(version)
    if collected is not None:
        raise NotFoundError(
            f"{wish}: its package was collected on {collected.at:%Y-%m-%d}", hint=retention.RESTORE_HINT
        )


def _record(row: sa.Row[Any]) -> AliasRecord:
    return AliasRecord(
        sequence=row.sequence,
        name=row.name,
        alias=row.alias,
        version=row.version,
        previous_version=row.previous_version,
        actor=row.actor,
        reason=row.reason,
        at=datetime.fromisoformat(row.at),
    )
