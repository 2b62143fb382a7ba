"""The queue against a plain model of it, under any order of events."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from headrace.core.clock import ManualClock
from headrace.core.errors import DeadlineError, ExhaustedError, HeadraceError
from headrace.serving.batching.policy import BatchPolicy
from headrace.serving.batching.queue import BatchQueue
from headrace.serving.batching.tickets import Ticket, TicketState

MAX_BATCH_ROWS = 6
MAX_QUEUE_ROWS = 20
PARALLEL = 2


class QueueMachine(RuleBasedStateMachine):
    tickets = Bundle("tickets")
    batches = Bundle("batches")

    def __init__(self):
        super().__init__()
        self.clock = ManualClock()
        policy = BatchPolicy(MAX_BATCH_ROWS, 0.002, PARALLEL)
        self.queue = BatchQueue("m@1", policy, max_queue_rows=MAX_QUEUE_ROWS, clock=self.clock)
        self.accepted: list[Ticket] = []
        self.answers: dict[int, object] = {}
        self.running = 0

    @rule(target=tickets, rows=st.integers(1, 8), patience_ms=st.none() | st.integers(0, 5))
    def submit(self, rows, patience_ms):
        deadline = None if patience_ms is None else self.clock.monotonic() + patience_ms / 1e3
        ticket = Ticket((np.full((rows, 1), len(self.accepted), np.float32),), deadline=deadline)
        full = self.queue.waiting_rows and self.queue.waiting_rows + rows > MAX_QUEUE_ROWS
        try:
            self.queue.submit(ticket)
        except ExhaustedError:
            assert full
        except DeadlineError:
            assert patience_ms == 0
        else:
            assert not full
            assert patience_ms != 0
            self.accepted.append(ticket)
        return ticket

    @rule(ms=st.integers(1, 4))
    def wait(self, ms):
        self.clock.advance(ms / 1e3)

    @rule(target=batches)
    def take(self):
        with self.queue._lock:
            batch, fires_at = self.queue._try_take(self.clock.monotonic())
        if batch is None:
            assert self.running == PARALLEL or fires_at is not None or not self.queue.waiting_rows
            return None
        self.running += 1
        assert self.running <= PARALLEL
        assert batch.rows == sum(ticket.rows for ticket in batch.tickets)
        assert batch.rows <= MAX_BATCH_ROWS or len(batch.tickets) == 1
        arrived = [self.accepted.index(ticket) for ticket in batch.tickets]
        assert arrived == sorted(arrived)
        now = self.clock.monotonic()
        assert all(ticket.deadline is None or now < ticket.deadline for ticket in batch.tickets)
        return batch

    @rule(batch=consumes(batches), works=st.booleans())
    def finish(self, batch, works):
        if batch is None:
            return
        self.running -= 1
        if works:
            self.queue.complete(batch, batch.split(batch.assemble()))
        else:
            self.queue.fail(batch, HeadraceError("no"))

    @rule(ticket=tickets)
    def cancel(self, ticket):
        if ticket in self.accepted:
            self.queue.cancel(ticket)

    @invariant()
    def rows_are_counted(self):
        waiting = [ticket for ticket in self.accepted if ticket.state is TicketState.WAITING]
        assert self.queue.waiting_rows == sum(ticket.rows for ticket in waiting)
        assert list(self.queue._waiting) == waiting

    @invariant()
    def an_answer_is_final_and_is_the_tickets_own(self):
        for number, ticket in enumerate(self.accepted):
            if ticket.state is TicketState.DONE:
                answer = ticket.outputs if ticket.error is None else ticket.error
                assert self.answers.setdefault(number, answer) is answer
                if ticket.error is None:
                    assert ticket.outputs[0].tolist() == ticket.inputs[0].tolist()


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
