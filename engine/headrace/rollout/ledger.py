"""The release ledger: an append-only table of events, and the state they fold into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from headrace.core.database import ensure_tables, forbid_changes, reading
from headrace.core.hashing import BUCKETS
from headrace.rollout.state import EventKind, ReleaseEvent, ReleaseState, Strategy, apply, fold

_METADATA = sa.MetaData()
_EVENTS = sa.Table(
    "release_events",
    _METADATA,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("model", sa.String, nullable=False, index=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),  # ISO 8601, UTC
    sa.Column("actor", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("version", sa.Integer),
    sa.Column("share_buckets", sa.Integer),  # of BUCKETS: exact, where a float would not be
    sa.Column("strategy", sa.String),
    sa.Column("salt", sa.String),
)
forbid_changes(_EVENTS)


class Ledger:
    """Events of every model's releases, in one order.

    Invariants: rows are never changed or removed (triggers refuse it to any client of the file); sequences are 1, 2,
    3, ... without gaps; every row was legal in the state the rows before it fold into.

    Args:
        engine: from `core.database.open_database`; the registry's database, so that one transaction moves both.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        ensure_tables(engine, _METADATA)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a write transaction: all of it happens, or nothing, also when the process is killed."""
        with self._engine.begin() as connection:
            yield connection

    def append(self, transaction: sa.Connection, event: ReleaseEvent) -> ReleaseState:
        """Write an event and give the state after it; nothing is visible to others before the transaction commits.

        Raises:
            InvalidInputError: the event is not legal in the present state, or lacks a value.
        """
        last = transaction.execute(sa.select(sa.func.coalesce(sa.func.max(_EVENTS.c.sequence), 0))).scalar_one()
        numbered = replace(event, sequence=last + 1)
        state = apply(self._fold(transaction, event.model), numbered)
        transaction.execute(sa.insert(_EVENTS).values(**_to_row(numbered)))
        return state

    def state(self, model: str, transaction: sa.Connection | None = None) -> ReleaseState:
        """State of a model's release; UNRELEASED for a model the ledger has never met."""
        if transaction is not None:
            return self._fold(transaction, model)
        with reading(self._engine) as connection:
            return self._fold(connection, model)

    def events(self, model: str | None = None, *, after: int = 0) -> tuple[ReleaseEvent, ...]:
        """Events with a sequence above `after`, oldest first, of one model or of all."""
        with reading(self._engine) as connection:
            return tuple(_select(connection, model, after))

    def sequence(self) -> int:
        """Number of the last event, 0 for an empty ledger: the cheap question of someone who watches for changes."""
        with reading(self._engine) as connection:
            last = connection.execute(sa.select(sa.func.max(_EVENTS.c.sequence))).scalar()
        return int(last or 0)

    def _fold(self, connection: sa.Connection, model: str) -> ReleaseState:
        return fold(model, _select(connection, model, 0))


def _select(connection: sa.Connection, model: str | None, after: int) -> Iterator[ReleaseEvent]:
    query = sa.select(_EVENTS).where(_EVENTS.c.sequence > after).order_by(_EVENTS.c.sequence)
    if model is not None:
        query = query.where(_EVENTS.c.model == model)
    for row in connection.execute(query):
        yield _from_row(row)


def _to_row(event: ReleaseEvent) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "model": event.model,
        "kind": event.kind.value,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": event.actor,
        "reason": event.reason,
        "version": event.version,
        "share_buckets": None if event.share is None else round(event.share * BUCKETS),
        "strategy": event.strategy.value if event.strategy else None,
        "salt": event.salt,
    }


def _from_row(row: sa.Row[Any]) -> ReleaseEvent:
    return ReleaseEvent(
        model=row.model,
        kind=EventKind(row.kind),
        at=datetime.fromisoformat(row.at),
        actor=row.actor,
        reason=row.reason,
        version=row.version,
        share=None if row.share_buckets is None else row.share_buckets / BUCKETS,
        strategy=Strategy(row.strategy) if row.strategy else None,
        salt=row.salt,
        sequence=row.sequence,
    )
