"""Runs in a database: begun, written, ended, found again."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace

import sqlalchemy as sa

from headrace.core.clock import Clock, SystemClock
from headrace.core.database import ensure_tables, reading
from headrace.core.errors import AlreadyExistsError, InvalidInputError, NotFoundError, UnavailableError
from headrace.training.runs import deaths, rows
from headrace.training.runs.pending import Pending, stamp
from headrace.training.runs.process import ProcessName
from headrace.training.runs.recorder import RunRecorder
from headrace.training.runs.records import RunKind, RunRecord, RunStart, RunStatus
from headrace.training.runs.schema import METADATA, RUNS

_CANDIDATES_NAMED = 4


@dataclass(frozen=True)
class RunQuery:
    """Which runs to find; None everywhere is all of them.

    Attributes:
        model: of this model.
        kind: of this kind.
        status: that stand so.
        parent: that belong to this run.
        trials: whether trials are among them where no kind and no parent is named.
        limit: at most so many, newest first.
    """

    model: str | None = None
    kind: RunKind | None = None
    status: RunStatus | None = None
    parent: str | None = None
    trials: bool = False
    limit: int | None = None


class RunStore:
    """Run records over one database.

    Invariants: a run is begun by one row and changed by whole transactions, each of which raises its revision; a run is
    never deleted; a run that nobody writes any more and that did not end is set to killed by whoever looks next.
    """

    def __init__(self, engine: sa.Engine, *, clock: Clock | None = None) -> None:
        self._engine = engine
        self._clock = clock or SystemClock()
        ensure_tables(engine, METADATA)

    @property
    def engine(self) -> sa.Engine:
        """The database, for what is kept beside the runs."""
        return self._engine

    def begin(self, start: RunStart) -> RunRecorder:
        """Begin a run; it is visible, and running, when this returns.

        Raises:
            NotFoundError: the parent is no run.
            UnavailableError: the database does not take it.
        """
        run, now, process = uuid.uuid4().hex, stamp(self._clock.now()), ProcessName.own()
        row = {
            "id": run, "parent": start.parent, "kind": start.kind.value, "project": start.project,
            "model": start.model, "name": start.name, "status": RunStatus.RUNNING.value, "started_at": now,
            "seen_at": now, "failure": "", "host": process.host, "process": process.token,
            "code_commit": start.code.commit, "code_dirty": start.code.is_dirty,
            "environment": json.dumps(dict(start.environment)), "revision": 1,
        }  # fmt: skip
        try:
            with self._engine.begin() as tx:
                tx.execute(sa.insert(RUNS), row)
        except sa.exc.IntegrityError as error:
            raise NotFoundError(f"there is no run '{start.parent}' to belong to") from error
        except sa.exc.DBAPIError as error:
            raise _unwritten(run, error) from error
        return RunRecorder(self, run, start, clock=self._clock)

    def resume(self, run: str) -> RunRecorder:
        """Go on with a run that was killed or failed, such as a study after a power cut.

        Raises:
            NotFoundError: there is no such run.
            AlreadyExistsError: another process writes it, or may do so.
            InvalidInputError: it has finished.
        """
        known, own = self.get(run), ProcessName.own()
        if known.status is RunStatus.FINISHED:
            raise InvalidInputError(f"run {known.short_id} has finished; begin another one")
        with self._engine.begin() as tx:
            taken = tx.execute(
                sa.update(RUNS)
                .where(RUNS.c.id == known.id, RUNS.c.status != RunStatus.RUNNING.value)
                .values(
                    status=RunStatus.RUNNING.value,
                    ended_at=None,
                    failure="",
                    host=own.host,
                    process=own.token,
                    seen_at=stamp(self._clock.now()),
                    revision=RUNS.c.revision + 1,
                )
            ).rowcount
        if not taken:
            raise AlreadyExistsError(f"run {known.short_id} is being written by a process on {known.host}")
        return RunRecorder(self, known.id, known.start, clock=self._clock)

    def write(self, run: str, pending: Pending, status: RunStatus | None, failure: str) -> None:
        """Write what a recorder collected, and how its run ended where it did; all of it or nothing.

        Raises:
            UnavailableError: the database does not take it.
        """
        now = stamp(self._clock.now())
        standing = status or RunStatus.RUNNING  # also where someone took it for dead: who writes, lives
        ended = {"status": standing.value, "failure": failure, "ended_at": None if status is None else now}
        try:
            with self._engine.begin() as tx:
                pending.write(tx, run)
                change = sa.update(RUNS).where(RUNS.c.id == run)
                tx.execute(change.values(seen_at=now, revision=RUNS.c.revision + 1, **ended))
        except sa.exc.DBAPIError as error:
            raise _unwritten(run, error) from error

    def runs(self, query: RunQuery | None = None, *, curves: bool = False) -> tuple[RunRecord, ...]:
        """Runs with everything known of them, newest first; curves only where they are asked for."""
        query = query or RunQuery()
        deaths.settle(self._engine, self._clock)
        chosen = sa.select(RUNS).order_by(RUNS.c.started_at.desc(), RUNS.c.id)
        wanted = {"model": query.model, "kind": query.kind, "status": query.status, "parent": query.parent}
        for column, value in wanted.items():
            if value is not None:
                chosen = chosen.where(RUNS.c[column] == str(value))
        if query.kind is None and query.parent is None and not query.trials:
            chosen = chosen.where(RUNS.c.kind != RunKind.TRIAL.value)
        if query.limit is not None:
            chosen = chosen.limit(query.limit)
        with reading(self._engine) as tx:
            return rows.load(tx, tx.execute(chosen).all(), curves=curves)

    def get(self, run: str) -> RunRecord:
        """One run with everything known of it.

        Args:
            run: its id, or the first characters of it.

        Raises:
            NotFoundError: no run begins so.
            InvalidInputError: several do.
        """
        deaths.settle(self._engine, self._clock)
        chosen = sa.select(RUNS).where(RUNS.c.id.startswith(run.lower(), autoescape=True)).order_by(RUNS.c.id)
        with reading(self._engine) as tx:
            found = tx.execute(chosen.limit(_CANDIDATES_NAMED + 1)).all() if run else []
            if len(found) == 1:
                (record,) = rows.load(tx, found, curves=True)
                return self._with_environment(tx, record)
        if not found:
            raise NotFoundError(f"there is no run '{run}'", hint="headrace runs list names those there are")
        named = ", ".join(row.id[:12] for row in found[:_CANDIDATES_NAMED])
        raise InvalidInputError(f"'{run}' begins several runs: {named}{' ...' if len(found) > 4 else ''}")

    def _with_environment(self, tx: sa.Connection, record: RunRecord) -> RunRecord:
        """A trial shares its parent's environment."""
        parent = record.start.parent
        if record.start.environment or parent is None:
            return record
        text = tx.scalar(sa.select(RUNS.c.environment).where(RUNS.c.id == parent))
        return replace(record, start=replace(record.start, environment=json.loads(text or "{}")))


def _unwritten(run: str, error: sa.exc.DBAPIError) -> UnavailableError:
    return UnavailableError(
        f"the record of run {run[:8]} cannot be written: {error.orig}", hint="is the disk full, or the database gone?"
    )
