"""What a server has not been sent yet, and that only one process sends to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from headrace.core.clock import Clock
from headrace.core.database import ensure_tables, reading
from headrace.pipeline.mirror.schema import LEASES, METADATA, SENT_MODELS, SENT_RUNS
from headrace.training.runs.pending import stamp
from headrace.training.runs.process import ProcessName
from headrace.training.runs.schema import RUNS, VERSIONS

LEASE = timedelta(seconds=90)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Waiting:
    """A run that a server does not have as it is now.

    Attributes:
        run: its id.
        remote: the server's id of it; None where none is known.
        is_new: nothing of it was ever asked for, so there is nothing to look for either.
    """

    run: str
    remote: str | None
    is_new: bool


class Outbox:
    """The mirror's memory for one server.

    Invariants: a run is noted before the server is asked to create it, so a process that dies in between leaves a note
    that the next one follows up; a revision is noted after the server has all of it; one process at a time holds the
    lease.
    """

    def __init__(self, engine: sa.Engine, server: str, *, clock: Clock) -> None:
        self._engine, self._server, self._clock = engine, server, clock
        self._own = ProcessName.own()
        self._held_until = _NEVER
        ensure_tables(engine, METADATA)

    def waiting(self, *, again: bool = False) -> list[Waiting]:
        """Runs to send, parents before their children; those the server refused only once they change, or `again`."""
        sent = SENT_RUNS.c
        lacking = sa.or_(sent.run.is_(None), sent.revision < RUNS.c.revision, *([sent.refused != ""] if again else []))
        order = (RUNS.c.started_at, RUNS.c.parent.is_not(None), RUNS.c.id)
        with reading(self._engine) as tx:
            return [_waiting(row) for row in tx.execute(self._chosen().where(lacking).order_by(*order))]

    def of(self, run: str) -> Waiting:
        """What is noted of a run."""
        with reading(self._engine) as tx:
            return _waiting(tx.execute(self._chosen().where(RUNS.c.id == run)).one())

    def _chosen(self) -> sa.Select[Any]:
        mine = sa.and_(SENT_RUNS.c.run == RUNS.c.id, SENT_RUNS.c.server == self._server)
        return sa.select(RUNS.c.id, SENT_RUNS.c.run, SENT_RUNS.c.remote).select_from(RUNS.outerjoin(SENT_RUNS, mine))

    def note_wanted(self, run: str) -> None:
        """Note that the server is about to be asked to create a run."""
        row = {"server": self._server, "run": run, "remote": None, "revision": 0, "refused": ""}
        with self._engine.begin() as tx:
            tx.execute(sa.insert(SENT_RUNS), row)

    def note_remote(self, run: str, remote: str) -> None:
        """Note the server's id of a run."""
        self._update(run, remote=remote)

    def note_sent(self, run: str, revision: int, *, refused: str = "") -> None:
        """Note that the server has, or will not take, this revision of a run."""
        self._update(run, revision=revision, refused=refused)

    def remote(self, run: str) -> str | None:
        """The server's id of a run; None where it has none."""
        with reading(self._engine) as tx:
            return self._remotes(tx, SENT_RUNS.c.run == run)

    def remote_of_version(self, model: str, version: int) -> str | None:
        """The server's id of the run that registered a version; None where none did, or it was not sent."""
        told = sa.select(VERSIONS.c.run).where(VERSIONS.c.model == model, VERSIONS.c.version == version)
        with reading(self._engine) as tx:
            return self._remotes(tx, SENT_RUNS.c.run.in_(told))

    def model_state(self, model: str) -> str | None:
        """What was noted of a model last."""
        with reading(self._engine) as tx:
            chosen = sa.select(SENT_MODELS.c.state)
            state: str | None = tx.scalar(
                chosen.where(SENT_MODELS.c.server == self._server, SENT_MODELS.c.model == model)
            )
            return state

    def note_model(self, model: str, state: str) -> None:
        """Note that the server has a model's versions and aliases."""
        with self._engine.begin() as tx:
            tx.execute(sa.delete(SENT_MODELS).where(SENT_MODELS.c.server == self._server, SENT_MODELS.c.model == model))
            tx.execute(sa.insert(SENT_MODELS), {"server": self._server, "model": model, "state": state})

    def claim(self) -> bool:
        """Take or renew the lease; false while another process that lives holds it."""
        now = self._clock.now()
        if self._held_until - now > LEASE * 2 / 3:
            return True
        mine = {"host": self._own.host, "process": self._own.token, "until": stamp(now + LEASE)}
        try:
            with self._engine.begin() as tx:
                held = tx.execute(sa.select(LEASES).where(LEASES.c.server == self._server)).one_or_none()
                if held is None:
                    tx.execute(sa.insert(LEASES), {"server": self._server, **mine})
                    self._held_until = now + LEASE
                    return True
                if not self._may_take(held, stamp(now)):
                    return False
                same = (LEASES.c.server == self._server, LEASES.c.process == held.process, LEASES.c.until == held.until)
                taken = tx.execute(sa.update(LEASES).where(*same).values(**mine)).rowcount == 1
                self._held_until = now + LEASE if taken else _NEVER
                return taken
        except sa.exc.IntegrityError:  # another process was first
            return False

    def release(self) -> None:
        """Give the lease back."""
        self._held_until = _NEVER
        with self._engine.begin() as tx:
            tx.execute(sa.delete(LEASES).where(LEASES.c.server == self._server, LEASES.c.process == self._own.token))

    def _may_take(self, held: sa.Row[Any], now: str) -> bool:
        holder = ProcessName(held.host, held.process)
        return holder == self._own or holder.is_alive() is False or held.until < now

    def _update(self, run: str, **values: Any) -> None:
        with self._engine.begin() as tx:
            same = (SENT_RUNS.c.server == self._server, SENT_RUNS.c.run == run)
            tx.execute(sa.update(SENT_RUNS).where(*same).values(**values))

    def _remotes(self, tx: sa.Connection, condition: sa.ColumnElement[bool]) -> str | None:
        chosen = sa.select(SENT_RUNS.c.remote).where(SENT_RUNS.c.server == self._server, condition)
        found: Sequence[str | None] = tx.scalars(chosen.order_by(SENT_RUNS.c.run)).all()
        return next((remote for remote in found if remote), None)


def _waiting(row: sa.Row[Any]) -> Waiting:
    return Waiting(row.id, row.remote, row.run is None)
