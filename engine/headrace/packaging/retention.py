"""What is kept and what was let go, as a fold over append-only records: pins, collections, restorations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import sqlalchemy as sa

from headrace.packaging.registry_schema import RETENTION, next_sequence

RESTORE_HINT = "restore it: register the same package again, or `headrace models import` an exported copy of it"


class Action(Enum):
    """What happened to a version's package."""

    PIN = "pin"
    UNPIN = "unpin"
    COLLECT = "collect"
    RESTORE = "restore"


@dataclass(frozen=True)
class RetentionRecord:
    """One action on one version: who did it, when and why."""

    sequence: int
    name: str
    version: int
    action: Action
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Retention:
    """Where the versions of a model stand.

    Attributes:
        pinned: version -> the pin that holds it.
        collected: version -> the collection that took its package away.
    """

    pinned: dict[int, RetentionRecord]
    collected: dict[int, RetentionRecord]

    @classmethod
    def fold(cls, records: Iterable[RetentionRecord]) -> Retention:
        """The state after records of one model, oldest first."""
        state = cls({}, {})
        for record in records:
            held = state.pinned if record.action in {Action.PIN, Action.UNPIN} else state.collected
            if record.action in {Action.PIN, Action.COLLECT}:
                held[record.version] = record
            else:
                held.pop(record.version, None)
        return state


def append(tx: sa.Connection, record: RetentionRecord) -> RetentionRecord:
    """Write a record under the next number."""
    sequence = next_sequence(tx, RETENTION)
    tx.execute(
        sa.insert(RETENTION).values(
            sequence=sequence,
            name=record.name,
            version=record.version,
            action=record.action.value,
            actor=record.actor,
            reason=record.reason,
            at=record.at.isoformat(),
        )
    )
    return RetentionRecord(sequence, record.name, record.version, record.action, record.actor, record.reason, record.at)


def history(tx: sa.Connection, name: str) -> tuple[RetentionRecord, ...]:
    """Every record of a model, oldest first."""
    rows = tx.execute(sa.select(RETENTION).where(RETENTION.c.name == name).order_by(RETENTION.c.sequence))
    return tuple(
        RetentionRecord(
            row.sequence,
            row.name,
            row.version,
            Action(row.action),
            row.actor,
            row.reason,
            datetime.fromisoformat(row.at),
        )
        for row in rows
    )


def state(tx: sa.Connection, name: str) -> Retention:
    """Where the versions of a model stand now."""
    return Retention.fold(history(tx, name))
