"""The batching queue of one model version: `submit` rows, `take` a batch, run it, `complete` its tickets.

Two kinds of threads take batches, by the same rules:

* a request's own thread (`take(ticket)`) runs the batch it finds ready, its own rows or others', until its ticket is
  done: a lone request is run where it was read, without a hand-over between threads;
* an executor thread (`take()`) serves a front door that has no thread to lend, and ends when the queue is closed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from headrace.core.clock import Clock
from headrace.core.errors import CancelledError, DeadlineError, ExhaustedError, HeadraceError, UnavailableError
from headrace.serving.batching.policy import NOW, BatchPolicy
from headrace.serving.batching.tickets import Arrays, Batch, Ticket, TicketState


class BatchQueue:
    """Bounded queue of tickets.

    Invariants, held whenever the lock is free: `_rows` is the sum of rows of the waiting tickets; every waiting ticket
    is in `_waiting` once; `_running` counts batches taken and neither completed nor failed; while a batch may fire and
    nobody is awake to take it, somebody has been woken to do so.

    Args:
        name: whose queue it is, for messages.
        policy: when a batch fires and who is in it.
        max_queue_rows: rows that may wait.
        clock: monotonic time.
    """

    def __init__(self, name: str, policy: BatchPolicy, *, max_queue_rows: int, clock: Clock) -> None:
        self._name = name
        self._policy = policy
        self._max_queue_rows = max_queue_rows
        self._clock = clock
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._waiting: deque[Ticket] = deque()
        self._rows = 0
        self._running = 0
        self._executors = 0
        self._closed = False

    @property
    def waiting_rows(self) -> int:
        """Rows that wait now."""
        return self._rows

    def submit(self, ticket: Ticket) -> None:
        """Put a ticket at the end of the queue.

        Raises:
            UnavailableError: the queue is closed.
            ExhaustedError: the queue is full.
            DeadlineError: the ticket's deadline has passed already.
        """
        now = self._clock.monotonic()
        with self._lock:
            if self._closed:
                raise UnavailableError(f"{self._name} takes no more requests: the server is draining")
            if self._rows and self._rows + ticket.rows > self._max_queue_rows:
                raise ExhaustedError(
                    f"the queue of {self._name} is full: {self._rows} rows wait, at most {self._max_queue_rows} may",
                    hint="try again in a moment, or send to another replica",
                )
            if ticket.deadline is not None and now >= ticket.deadline:
                raise _too_late(ticket, now)
            ticket.enqueued_at = now
            self._waiting.append(ticket)
            self._rows += ticket.rows
            if self._executors:
                self._arrived.notify()

    def take(self, ticket: Ticket | None = None) -> Batch | None:
        """Wait for a batch that may run.

        Args:
            ticket: on whose behalf the caller waits: None is returned once that ticket is done, by whomever. Without
                a ticket the caller is an executor: None is returned once the queue is closed and empty.
        """
        return self._take_for(ticket) if ticket is not None else self._take_any()

    def complete(self, batch: Batch, parts: Sequence[Arrays]) -> None:
        """Give every ticket of a batch its part of the outputs, as `Batch.split` cuts them."""
        with self._lock:
            for ticket, part in zip(batch.tickets, parts, strict=True):
                if ticket.state is not TicketState.DONE:
                    ticket.outputs = part
                    self._finish(ticket, None)
            self._end_run()

    def fail(self, batch: Batch, error: HeadraceError) -> None:
        """Give every ticket of a batch the same error, once."""
        with self._lock:
            for ticket in batch.tickets:
                if ticket.state is not TicketState.DONE:
                    self._finish(ticket, error)
            self._end_run()

    def cancel(self, ticket: Ticket) -> None:
        """Withdraw a ticket; its batch-mates notice nothing, wherever it stands."""
        with self._lock:
            if ticket.state is not TicketState.DONE:
                self._withdraw(ticket, CancelledError("the client withdrew the request"))

    def close(self) -> None:
        """Refuse new tickets; those that wait are still served."""
        with self._lock:
            self._closed = True
            self._arrived.notify_all()

    def _take_for(self, ticket: Ticket) -> Batch | None:
        while True:
            with self._lock:
                now = self._clock.monotonic()
                if ticket.state is TicketState.DONE:
                    return None
                if ticket.deadline is not None and now >= ticket.deadline:
                    self._withdraw(ticket, _too_late(ticket, now))
                    return None
                batch, fires_at = self._try_take(now)
                if batch is not None:
                    return batch
                # Only the thread of the oldest ticket watches the window; it is woken when another becomes the oldest.
                watches = bool(self._waiting) and self._waiting[0] is ticket
                until = _earliest(fires_at if watches else None, ticket.deadline)
            ticket.sleep(None if until is None else until - now)

    def _take_any(self) -> Batch | None:
        with self._lock:
            while True:
                now = self._clock.monotonic()
                batch, fires_at = self._try_take(now)
                if batch is not None:
                    return batch
                if self._closed and not self._waiting:
                    return None
                deadlines = (ticket.deadline for ticket in self._waiting if ticket.deadline is not None)
                until = _earliest(fires_at, min(deadlines, default=None))
                self._executors += 1
                self._arrived.wait(None if until is None else min(max(0.0, until - now), threading.TIMEOUT_MAX))
                self._executors -= 1

    def _try_take(self, now: float) -> tuple[Batch | None, float | None]:
        """Take a batch if one may fire now; else say when one may. The caller holds the lock."""
        self._drop_expired(now)
        if not self._waiting:
            return None, None
        fires_at = self._policy.fires_at(rows=self._rows, oldest_at=self._waiting[0].enqueued_at, running=self._running)
        if fires_at is None or (fires_at is not NOW and now < fires_at):
            return None, fires_at
        tickets = tuple(self._waiting.popleft() for _ in range(self._policy.select(self._waiting)))
        rows = 0
        for ticket in tickets:
            ticket.state = TicketState.RUNNING
            ticket.taken_at = now
            rows += ticket.rows
        self._rows -= rows
        self._running += 1
        self._wake_next()  # the rest of the queue may be another batch, for another slot
        return Batch(tickets, rows), None

    def _drop_expired(self, now: float) -> None:
        for ticket in [t for t in self._waiting if t.deadline is not None and now >= t.deadline]:
            self._withdraw(ticket, _too_late(ticket, now))

    def _withdraw(self, ticket: Ticket, error: HeadraceError) -> None:
        if ticket.state is TicketState.WAITING:
            was_oldest = self._waiting[0] is ticket
            self._waiting.remove(ticket)
            self._rows -= ticket.rows
            if was_oldest:
                self._wake_next()
        self._finish(ticket, error)

    def _finish(self, ticket: Ticket, error: HeadraceError | None) -> None:
        ticket.error = error
        ticket.state = TicketState.DONE
        ticket.wake()

    def _end_run(self) -> None:
        self._running -= 1
        self._wake_next()

    def _wake_next(self) -> None:
        """Wake whoever shall look at the queue next: an idle executor, else the thread of the oldest ticket."""
        if self._waiting:
            if self._executors:
                self._arrived.notify()
            else:
                self._waiting[0].wake()


def run_batch(queue: BatchQueue, batch: Batch, work: Callable[[Batch], Sequence[Arrays]]) -> None:
    """Run a taken batch and answer its tickets, whatever happens.

    Args:
        queue: where the batch was taken.
        batch: the batch.
        work: gives each ticket's part of the outputs, or raises.

    Raises:
        BaseException: what `work` raised beyond the project's errors; the tickets have been answered by then.
    """
    try:
        parts = work(batch)
    except HeadraceError as error:
        queue.fail(batch, error)
    except BaseException:
        queue.fail(batch, HeadraceError("the batch failed"))
        raise
    else:
        queue.complete(batch, parts)


def _too_late(ticket: Ticket, now: float) -> DeadlineError:
    waited_ms = max(0.0, now - ticket.enqueued_at) * 1e3 if ticket.enqueued_at else 0.0
    return DeadlineError(f"the deadline passed after {waited_ms:.1f} ms in the queue")


def _earliest(*times: float | None) -> float | None:
    return min((time for time in times if time is not None), default=None)
