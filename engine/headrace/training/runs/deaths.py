"""Runs whose process died without a word."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from headrace.core.clock import Clock
from headrace.core.database import reading
from headrace.training.runs.process import ProcessName
from headrace.training.runs.records import RunStatus
from headrace.training.runs.schema import RUNS

# A process on another machine cannot be looked at: it is given up when it has written nothing for so long.
SILENT_FOR = timedelta(hours=24)
DIED = "its process ended without a word"


def settle(engine: sa.Engine, clock: Clock) -> None:
    """Set runs to killed whose process is gone; they ended, as far as anyone knows, when they last wrote."""
    with reading(engine) as tx:
        running = tx.execute(
            sa.select(RUNS.c.id, RUNS.c.host, RUNS.c.process, RUNS.c.seen_at).where(
                RUNS.c.status == RunStatus.RUNNING.value
            )
        ).all()
    oldest = clock.now() - SILENT_FOR
    dead = []
    for run in running:
        alive = ProcessName(run.host, run.process).is_alive()
        if alive is False or (alive is None and datetime.fromisoformat(run.seen_at) < oldest):
            dead.append(run)
    if not dead:
        return
    with engine.begin() as tx:
        for run in dead:
            tx.execute(
                sa.update(RUNS)
                .where(RUNS.c.id == run.id, RUNS.c.status == RunStatus.RUNNING.value, RUNS.c.process == run.process)
                .values(
                    status=RunStatus.KILLED.value, ended_at=RUNS.c.seen_at, failure=DIED, revision=RUNS.c.revision + 1
                )
            )
