"""Tickets: one request's rows, from the queue to its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import HeadraceError

Arrays = tuple[npt.NDArray[Any], ...]
"""One array a tensor, in the model's order; the first dimension is rows."""


class TicketState(Enum):
    """Where a ticket is; a ticket that is DONE has outputs or an error, never both."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class Ticket:
    """One request's place in a queue and its answer.

    Invariants: all but `inputs`, `rows` and `deadline` is written under the queue's lock, and DONE is final: an answer
    that comes after a deadline or a cancellation is dropped. `wake` holds at most one token, so waking twice is waking
    once.

    Args:
        inputs: one array a tensor, all with the same number of rows.
        deadline: monotonic seconds after which nobody wants the answer; None: no limit.
        priority: 1 is served first; 0: the queue's default.
        before_sleep: called once, before its thread first sleeps: the place to watch for the client's withdrawal, so
            that a request which is run at once does not pay for it.
    """

    __slots__ = (
        "_before_sleep",
        "_token",
        "deadline",
        "enqueued_at",
        "error",
        "inputs",
        "outputs",
        "priority",
        "rows",
        "sent",
        "state",
        "taken_at",
    )

    def __init__(
        self,
        inputs: Arrays,
        *,
        deadline: float | None = None,
        priority: int = 0,
        before_sleep: Callable[[Ticket], None] | None = None,
    ) -> None:
        self.inputs = inputs
        self.rows: int = inputs[0].shape[0]
        self.deadline = deadline
        self.priority = priority
        self.enqueued_at = 0.0
        self.taken_at = 0.0
        self.state = TicketState.WAITING
        self.outputs: Arrays | None = None
        self.error: HeadraceError | None = None
        self.sent = False  # its thread is on its way to look at the queue
        self._before_sleep = before_sleep
        self._token = threading.Lock()
        self._token.acquire()

    def fits_with(self, other: Ticket) -> bool:
        """Whether both may share a batch: the same dtypes and the same trailing shapes."""
        return all(
            a.dtype == b.dtype and a.shape[1:] == b.shape[1:] for a, b in zip(self.inputs, other.inputs, strict=True)
        )

    def wake(self) -> None:
        """Let the thread that sleeps on this ticket, or the next that does, go on; called under the queue's lock."""
        if self._token.locked():
            self._token.release()

    def sleep(self, seconds: float | None) -> None:
        """Sleep until woken, at most so long; None: without limit. Called without the queue's lock."""
        if self._before_sleep is not None:
            watch, self._before_sleep = self._before_sleep, None
            watch(self)
        self._token.acquire(timeout=-1 if seconds is None else min(max(0.0, seconds), threading.TIMEOUT_MAX))


@dataclass(frozen=True, slots=True)
class Batch:
    """Tickets that run together, in the order of the queue.

    Attributes:
        tickets: at least one.
        rows: rows of all of them.
    """

    tickets: tuple[Ticket, ...]
    rows: int

    def assemble(self) -> Arrays:
        """Stack the tickets' inputs; a lone ticket's arrays are passed on without a copy."""
        if len(self.tickets) == 1:
            return self.tickets[0].inputs
        return tuple(np.concatenate(parts) for parts in zip(*[t.inputs for t in self.tickets], strict=True))

    def split(self, outputs: Arrays) -> list[Arrays]:
        """Cut outputs of all rows into one view a ticket."""
        if len(self.tickets) == 1:
            return [outputs]
        parts: list[Arrays] = []
        start = 0
        for ticket in self.tickets:
            stop = start + ticket.rows
            parts.append(tuple(out[start:stop] for out in outputs))
            start = stop
        return parts

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches of half the tickets each; a lone ticket has no halves."""
        middle = len(self.tickets) // 2
        first, second = self.tickets[:middle], self.tickets[middle:]
        return Batch(first, sum(t.rows for t in first)), Batch(second, sum(t.rows for t in second))
