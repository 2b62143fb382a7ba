"""One loaded model version: its graph, its queue, its statistics."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import uuid4

from headrace.core.clock import Clock
from headrace.core.errors import HeadraceError
from headrace.core.logging import get_logger
from headrace.serving.batching.execution import run_batch
from headrace.serving.batching.queue import BatchQueue
from headrace.serving.batching.tickets import Arrays, Batch, Ticket, TicketState
from headrace.serving.config import BatchingConfig
from headrace.serving.models.cache import VersionCache
from headrace.serving.runtime.backend import Backend
from headrace.serving.runtime.runners import Runners
from headrace.serving.telemetry.statistics import BatchTimes, VersionStatistics

_LOG = get_logger("serving")


@dataclass(frozen=True)
class VersionIdentity:
    """Which version it is.

    Attributes:
        model: the model's name.
        version: its number.
        digest: of its package, or of its file where there is no package.
        features: names of the columns of the first input; empty where nobody says.
        mark: tells the content and bounds it was loaded with from others under the same number.
    """

    model: str
    version: int
    digest: str
    features: tuple[str, ...] = ()
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"


class ServedVersion:
    """A version that answers.

    It is never closed: a request that has picked it is answered even when the next one is routed elsewhere, and the
    last reference frees the graph.

    Args:
        identity: which version it is.
        session: its graph, on its device.
        batching: bounds of its queue.
        clock: monotonic time for deadlines and windows.
        cache: answers that are given again; None: every request is run.
    """

    def __init__(
        self,
        identity: VersionIdentity,
        session: Backend,
        batching: BatchingConfig,
        clock: Clock,
        cache: VersionCache | None = None,
    ) -> None:
        self.identity = identity
        self.session = session
        self.batching = batching
        self.cache = cache
        self.statistics = VersionStatistics()
        self._runners = Runners(session)
        mixed = any(-1 in tensor.shape[1:] for tensor in session.inputs)
        dropped = self.statistics.request_dropped
        self.queue = BatchQueue(
            str(identity), batching, clock, mixed=mixed, dropped=lambda reason: dropped(reason.value)
        )

    @property
    def waiting_rows(self) -> int:
        """Rows that wait for a batch now, wherever they queue."""
        return self.queue.waiting_rows + sum(feed.load()[0] for feed in self.statistics.feeds)

    @property
    def running_batches(self) -> int:
        """Batches that run now."""
        return self.queue.running_batches + sum(feed.load()[1] for feed in self.statistics.feeds)

    def infer(self, ticket: Ticket) -> Arrays:
        """Answer a ticket from its own thread, running whatever batch is ready meanwhile.

        Raises:
            UnavailableError: the server is draining.
            ExhaustedError: the queue is full.
            DeadlineError: the deadline passed before the answer was there.
            CancelledError: the client withdrew the request.
            HeadraceError: the batch failed.
        """
        if self.cache is None:
            return self._run(ticket)
        start = time.perf_counter()
        key, found = self.cache.find(ticket.inputs)
        self.statistics.cache_looked_up(time.perf_counter() - start, hit=found is not None)
        if found is None:
            found = self._run(ticket)
            self.cache.keep(key, ticket.inputs, found)
        return found

    def _run(self, ticket: Ticket) -> Arrays:
        self.queue.submit(ticket)
        try:
            while ticket.state is not TicketState.DONE and (batch := self.queue.take(ticket)) is not None:
                run_batch(self.queue, batch, self._work)
        except BaseException:
            self.queue.cancel(ticket)  # no ticket stays behind without a thread
            raise
        if ticket.error is not None:
            raise ticket.error
        assert ticket.outputs is not None
        return ticket.outputs

    def _work(self, batch: Batch) -> list[Arrays]:
        start = time.perf_counter()
        try:
            inputs = batch.assemble()
            assembled = time.perf_counter()
            outputs = self._runners.run(inputs)
            inferred = time.perf_counter()
            parts = batch.split(outputs)
            done = time.perf_counter()
        except Exception as error:
            correlation_id = uuid4().hex[:12]
            self.statistics.batch_failed()
            _LOG.error(
                "batch_failed",
                model=self.identity.model,
                version=self.identity.version,
                rows=batch.rows,
                correlation_id=correlation_id,
                error=repr(error),
            )
            raise HeadraceError(f"{self.identity} failed to answer; correlation id {correlation_id}") from error
        self.statistics.batch_ran(
            batch.rows,
            BatchTimes(
                queue_s=[ticket.taken_at - ticket.enqueued_at for ticket in batch.tickets],
                assemble_s=assembled - start,
                infer_s=inferred - assembled,
                split_s=done - inferred,
            ),
        )
        return parts
