"""The mirror's work: everything that is waiting, parents first, with patience for a server that is not there."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from headrace.core.clock import Clock, SystemClock
from headrace.core.errors import HeadraceError, NotFoundError, UnavailableError
from headrace.core.progress import Progress, SilentProgress, Step
from headrace.packaging import Registry
from headrace.pipeline.mirror.client import MlflowClient, MlflowServer, RefusedError
from headrace.pipeline.mirror.outbox import Outbox
from headrace.pipeline.mirror.sending import RunSender
from headrace.pipeline.mirror.versions import VersionSender
from headrace.training.runs import RunStore, deaths

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
PAUSE_S = 1.0  # a run that is being written changes every second


@dataclass(frozen=True)
class MirrorJob:
    """What to send where.

    Attributes:
        engine: the workspace's database.
        home: the workspace, where packages are.
        server: where to.
        patience_s: how long the server may be away before the rest is left for the next time.
        again: whether to ask again for what the server refused.
        progress: where to report.
        clock: wall and monotonic time.
        sleep: waits for seconds.
    """

    engine: sa.Engine
    home: Path
    server: MlflowServer
    patience_s: float
    again: bool = False
    progress: Progress = field(default_factory=SilentProgress)
    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Mirrored:
    """What was sent.

    Attributes:
        runs: brought up to date.
        versions: created.
        refused: what the server did not take, and why.
        busy: another process was sending already, and sends what was waiting.
    """

    runs: int
    versions: int
    refused: tuple[str, ...] = ()
    busy: bool = False


def mirror(job: MirrorJob) -> Mirrored:
    """Send what is waiting.

    Raises:
        UnavailableError: the server was away for longer than the job's patience; what is left goes the next time.
        UnauthenticatedError: the server does not know us.
        InvalidInputError: what answers is no MLflow server.
    """
    outbox = Outbox(job.engine, job.server.url, clock=job.clock)
    runs = versions = 0
    refused: list[str] = []
    with MlflowClient(job.server) as client:
        work = _Work(job, outbox, client)
        while outbox.claim():
            try:
                runs += work.send_runs(refused)
                versions += work.send_versions(refused)
            finally:
                outbox.release()
            # A run recorded since saw the lease held and left itself to us.
            if not outbox.waiting():
                return Mirrored(runs, versions, tuple(refused))
            job.sleep(PAUSE_S)
    return Mirrored(runs, versions, tuple(refused), busy=True)


class _Work:
    def __init__(self, job: MirrorJob, outbox: Outbox, client: MlflowClient) -> None:
        self._job, self._outbox = job, outbox
        self._store = RunStore(job.engine, clock=job.clock)
        deaths.settle(job.engine, job.clock)  # the server shall know of them, too
        self._registry = Registry(job.engine, job.home, clock=job.clock)
        self._runs = RunSender(client, outbox)
        self._versions = VersionSender(client, outbox, self._registry)

    def send_runs(self, refused: list[str]) -> int:
        """Every run that is waiting; how many the server took."""
        waiting = self._outbox.waiting(again=self._job.again)
        taken = 0
        with self._job.progress.step("runs", total=len(waiting)) as step:
            for one in waiting:
                try:
                    self._patiently(lambda run=one.run: self._send_run(run), step)  # type: ignore[misc]
                    taken += 1
                except (RefusedError, NotFoundError) as error:
                    refused.append(f"run {one.run[:8]}: {error.message}")
                    self._outbox.note_sent(one.run, self._store.get(one.run).revision, refused=error.message)
                step.advance()
        return taken

    def send_versions(self, refused: list[str]) -> int:
        """Every registered model; how many versions the server lacked."""
        created = 0
        models = self._registry.names()
        with self._job.progress.step("models", total=len(models)) as step:
            for model in models:
                try:
                    created += self._patiently(lambda name=model: self._versions.send(name), step)  # type: ignore[misc]
                except RefusedError as error:
                    refused.append(f"model {model}: {error.message}")
                step.advance()
        return created

    def _send_run(self, run: str) -> int:
        """Send a run as it is now, by what is noted of it now: an attempt before may have come half-way."""
        self._runs.send(self._store.get(run), self._outbox.of(run))
        return 1

    def _patiently(self, work: Callable[[], int], step: Step) -> int:
        """Do it, again and again with growing, jittered pauses while the server is away; the lease is kept."""
        wait, asked_at = FIRST_WAIT_S, self._job.clock.monotonic()
        while True:
            if not self._outbox.claim():
                raise UnavailableError("another mirror took over while this one waited")
            try:
                return work()
            except UnavailableError as error:
                away = self._job.clock.monotonic() - asked_at
                if away + wait > self._job.patience_s:
                    raise _given_up(error, away) from error
                step.note(f"no answer for {away:.0f} s")
                self._job.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not a secret
                wait = min(2 * wait, LONGEST_WAIT_S)


def _given_up(error: HeadraceError, away_s: float) -> UnavailableError:
    return UnavailableError(
        f"{error.message}; given up after {away_s:.0f} s",
        hint="what was not sent is kept, and goes with the next run or with: headrace runs mirror",
    )
