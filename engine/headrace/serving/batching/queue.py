"""The batching queue of one model version: `submit` rows, `take` a batch, run it, `settle` its tickets.

A request's own thread takes batches (`take(ticket)`): it runs the batch it finds ready, its own rows or others', until
its ticket is done. So a lone request is run where it was read, without a hand-over between threads. A thread that finds
nothing to run sleeps on its ticket; when a batch ends, one sleeper is sent to look, the one whose ticket is next.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum
from threading import Lock

from headrace.core.clock import Clock
from headrace.core.errors import (
    CancelledError,
    DeadlineError,
    ExhaustedError,
    HeadraceError,
    InvalidInputError,
    UnavailableError,
)
from headrace.serving.batching.controller import Controller
from headrace.serving.batching.policy import Admission, BatchPolicy, Parameters, next_batch
from headrace.serving.batching.refusals import over_target, queue_full
from headrace.serving.batching.sleepers import Sleepers
from headrace.serving.batching.tickets import Arrays, Batch, Ticket, TicketState
from headrace.serving.config import BatchingConfig


class Drop(Enum):
    """Why a request got no answer of the model, beside a batch that failed."""

    QUEUE_FULL = "queue_full"
    OVER_TARGET = "over_target"
    DRAINING = "draining"
    EXPIRED_WAITING = "expired_waiting"
    EXPIRED_RUNNING = "expired_running"
    CANCELLED_WAITING = "cancelled_waiting"
    CANCELLED_RUNNING = "cancelled_running"


class BatchQueue:
    """Bounded queue of tickets; the rules are those of `serving.batching.policy`. Every method is safe from any thread.

    Invariants, held whenever the lock is free:

    * every waiting ticket is in the level of its priority once, and in no other; `_rows` is the sum of their rows;
    * `_running` counts batches taken and not settled;
    * while a batch may fire, now or when a window closes, and somebody sleeps, somebody is awake, or sent to look at
      the queue, or watches the window.

    Every operation takes time that does not grow with the queue, but for the members of a batch, which are looked at
    once.

    Args:
        name: whose queue it is, for messages.
        config: bounds.
        clock: monotonic time.
        mixed: whether tickets may differ in dtypes or trailing shapes; else they are not compared.
        dropped: told of every request that is refused, expires or is withdrawn; called under the lock.
    """

    def __init__(
        self,
        name: str,
        config: BatchingConfig,
        clock: Clock,
        *,
        mixed: bool = False,
        dropped: Callable[[Drop], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._config = config
        self._policy = BatchPolicy.of(config)
        self._controller = Controller.of(config)
        self.parameters = Parameters.of(config) if self._controller is None else self._controller.parameters
        self._alike = Ticket.fits_with if mixed else None
        self._now = clock.monotonic
        self._dropped = dropped
        self._lock = Lock()
        self._levels: tuple[OrderedDict[Ticket, None], ...] = tuple(
            OrderedDict() for _ in range(config.priority_levels)
        )
        self._sleepers = Sleepers()
        self._batch_s = 0.0
        self._rows = 0
        self._running = 0
        self._arrived_rows = 0
        self._closed = False

    @property
    def waiting_rows(self) -> int:
        """Rows that wait now."""
        return self._rows

    @property
    def running_batches(self) -> int:
        """Batches that run now."""
        return self._running

    def submit(self, ticket: Ticket) -> None:
        """Put a ticket at the end of its priority's line.

        Raises:
            InvalidInputError: there is no such priority.
            UnavailableError: the queue is closed.
            ExhaustedError: the queue is full, or the answer would come after the target.
            DeadlineError: the ticket's deadline has passed already.
        """
        priority = ticket.priority or self._config.default_priority
        if not 0 < priority <= len(self._levels):
            raise InvalidInputError(f"priority is {priority}; allowed: 1, served first, to {len(self._levels)}")
        with self._lock:
            ticket.enqueued_at = now = self._now()
            self._arrived_rows += ticket.rows
            if self._closed or (ticket.deadline is not None and now >= ticket.deadline):
                raise self._refuse_closed_or_late(ticket, now)
            admission = self._policy.admits(ticket.rows, self.parameters, self._rows, self._running)
            if admission is not Admission.TAKEN:
                raise self._refuse(admission)
            ticket.priority = priority
            self._levels[priority - 1][ticket] = None
            self._rows += ticket.rows

    def take(self, ticket: Ticket) -> Batch | None:
        """Wait for a batch that may run, on behalf of a ticket.

        Returns:
            A batch, which the caller runs and settles; None once the ticket is done, by whomever.
        """
        slept = False
        while True:
            with self._lock:
                had_task = slept and (self._sleepers.remove(ticket) or ticket.sent)
                ticket.sent = False
                now = self._now()
                if ticket.deadline is not None and now >= ticket.deadline and ticket.state is not TicketState.DONE:
                    self._expire(ticket, now)
                if ticket.state is TicketState.DONE:
                    if had_task:
                        self._send_somebody()
                    return None
                batch, fires_at = self._try_take(now)
                if batch is not None:
                    return batch
                until = self._lie_down(ticket, now, fires_at)
            ticket.sleep(None if until is None else until - now)
            slept = True

    def poll(self) -> tuple[Batch | None, float | None]:
        """Take a batch if one may fire now; else say when one may, None for not before a batch ends or a ticket comes.

        For who turns the clock by hand, or has other means to wait; does not wait itself.
        """
        with self._lock:
            return self._try_take(self._now())

    def settle(self, batch: Batch, outcomes: Sequence[Arrays | HeadraceError]) -> None:
        """End a batch: give every ticket its part of the outputs, as `Batch.split` cuts them, or its error."""
        with self._lock:
            for ticket, outcome in zip(batch.tickets, outcomes, strict=True):
                if ticket.state is TicketState.DONE:
                    continue
                if isinstance(outcome, HeadraceError):
                    ticket.error = outcome
                else:
                    ticket.outputs = outcome
                self._finish(ticket)
            self._running -= 1
            now = self._now()
            self._batch_s = now - batch.tickets[0].taken_at
            if self._controller is not None:
                self._control(self._controller, batch, now)
            self._send_somebody()

    def cancel(self, ticket: Ticket) -> None:
        """Withdraw a ticket; its batch-mates notice nothing, wherever it stands."""
        with self._lock:
            if ticket.state is not TicketState.DONE:
                waiting = ticket.state is TicketState.WAITING
                error = CancelledError("the client withdrew the request")
                self._withdraw(ticket, error, Drop.CANCELLED_WAITING if waiting else Drop.CANCELLED_RUNNING)

    def close(self) -> None:
        """Refuse new tickets; those that wait are still served."""
        with self._lock:
            self._closed = True

    def _refuse_closed_or_late(self, ticket: Ticket, now: float) -> HeadraceError:
        if self._closed:
            self._dropped(Drop.DRAINING)
            return UnavailableError(f"{self._name} takes no more requests: the server is draining")
        self._dropped(Drop.EXPIRED_WAITING)
        return _too_late(ticket, now)

    def _refuse(self, admission: Admission) -> ExhaustedError:
        if admission is Admission.FULL:
            self._dropped(Drop.QUEUE_FULL)
            return queue_full(self._name, self._config)
        self._dropped(Drop.OVER_TARGET)
        assert self._config.target_ms is not None, "nothing is shed without a target"
        return over_target(self._name, self._config.target_ms)

    def _try_take(self, now: float) -> tuple[Batch | None, float | None]:
        """As `poll`; the caller holds the lock."""
        while self._rows:
            # An idle model fires at once, whoever came first.
            oldest_at = self._oldest_at() if self._running else now
            fires_at = self._policy.fires_at(self._rows, self.parameters, oldest_at, self._running)
            if fires_at is None or now < fires_at:
                return None, fires_at
            members = next_batch(self._levels, self.parameters.max_batch_rows, alike=self._alike)
            expired = [t for t in members if t.deadline is not None and now >= t.deadline]
            if not expired:
                return self._begin(members, now), None
            for ticket in expired:
                self._expire(ticket, now)
        return None, None

    def _begin(self, members: list[Ticket], now: float) -> Batch:
        rows = 0
        for ticket in members:
            del self._levels[ticket.priority - 1][ticket]
            ticket.state = TicketState.RUNNING
            ticket.taken_at = now
            rows += ticket.rows
        self._rows -= rows
        self._running += 1
        self._send_somebody()  # what is left may be another batch, for another slot
        return Batch(tuple(members), rows)

    def _oldest_at(self) -> float:
        return min(next(iter(level)).enqueued_at for level in self._levels if level)

    def _control(self, controller: Controller, batch: Batch, now: float) -> None:
        longest_s = now - min(ticket.enqueued_at for ticket in batch.tickets)
        self.parameters = controller.batch_ran(now, batch.rows, self._batch_s, longest_s, self._arrived_rows)

    def _expire(self, ticket: Ticket, now: float) -> None:
        waiting = ticket.state is TicketState.WAITING
        self._withdraw(ticket, _too_late(ticket, now), Drop.EXPIRED_WAITING if waiting else Drop.EXPIRED_RUNNING)

    def _withdraw(self, ticket: Ticket, error: HeadraceError, drop: Drop) -> None:
        if ticket.state is TicketState.WAITING:
            level = self._levels[ticket.priority - 1]
            if ticket not in level:
                return  # it was never let in
            del level[ticket]
            self._rows -= ticket.rows
        ticket.error = error
        self._dropped(drop)
        if self._finish(ticket):
            self._send_somebody()

    def _finish(self, ticket: Ticket) -> bool:
        ticket.state = TicketState.DONE
        ticket.wake()
        return bool(self._sleepers) and self._sleepers.remove(ticket)

    def _lie_down(self, ticket: Ticket, now: float, fires_at: float | None) -> float | None:
        """Note that a ticket's thread goes to sleep; until when. One sleeper watches the window."""
        patient = ticket.deadline is None or ticket.deadline - now > 2.0 * self._batch_s
        if not self._sleepers.add(ticket, patient=patient, window=fires_at is not None):
            return ticket.deadline
        return fires_at if ticket.deadline is None or fires_at is None else min(fires_at, ticket.deadline)

    def _send_somebody(self) -> None:
        """Send a sleeper to look at the queue, where a batch may fire soon."""
        if self._rows and self._sleepers and self._running < self._policy.parallel_batches:
            self._sleepers.send(next_batch(self._levels, 1)[0])


def _too_late(ticket: Ticket, now: float) -> DeadlineError:
    waited_ms = max(0.0, now - ticket.enqueued_at) * 1e3
    return DeadlineError(f"the deadline passed after {waited_ms:.1f} ms in the queue")
