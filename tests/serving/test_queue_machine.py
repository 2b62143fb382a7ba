"""The queue against a plain model of it, under any order of events."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from headrace.core.clock import ManualClock
from headrace.core.errors import CancelledError, DeadlineError, ExhaustedError, HeadraceError
from headrace.serving.batching.policy import PRIORITY_STEP_S
from headrace.serving.batching.queue import BatchQueue
from headrace.serving.batching.tickets import Ticket, TicketState
from headrace.serving.config import BatchingConfig

CONFIG = BatchingConfig(
    max_batch_rows=6, max_queue_rows=20, window_us=2000, parallel_batches=2, adaptive=False, default_priority=2
)


class QueueMachine(RuleBasedStateMachine):
    tickets = Bundle("tickets")
    batches = Bundle("batches")

    def __init__(self):
        super().__init__()
        self.clock = ManualClock()
        self.drops = []
        self.queue = BatchQueue("m@1", CONFIG, self.clock, dropped=self.drops.append)
        self.accepted: list[Ticket] = []
        self.refused = 0
        self.answers: dict[int, object] = {}
        self.running = 0

    @rule(
        target=tickets,
        rows=st.integers(1, 8),
        patience_ms=st.none() | st.integers(0, 5),
        priority=st.integers(0, 3),
    )
    def submit(self, rows, patience_ms, priority):
        deadline = None if patience_ms is None else self.clock.monotonic() + patience_ms / 1e3
        inputs = (np.full((rows, 1), len(self.accepted), np.float32),)
        ticket = Ticket(inputs, deadline=deadline, priority=priority)
        waiting = self.queue.waiting_rows
        full = waiting and waiting + rows > CONFIG.max_queue_rows
        try:
            self.queue.submit(ticket)
        except ExhaustedError:
            assert full
            self.refused += 1
        except DeadlineError:
            assert patience_ms == 0
            self.refused += 1
        else:
            assert not full
            assert patience_ms != 0
            self.accepted.append(ticket)
        return ticket

    @rule(ms=st.integers(1, 4))
    def wait(self, ms):
        self.clock.advance(ms / 1e3)

    @rule(ms=st.integers(90, 210))
    def wait_longer_than_priorities_count(self, ms):
        self.clock.advance(ms / 1e3)

    @rule(target=batches)
    def take(self):
        batch, fires_at = self.queue.poll()
        if batch is None:
            assert self.running == CONFIG.slots or fires_at is not None or not self.queue.waiting_rows
            return None
        self.running += 1
        assert self.running <= CONFIG.slots
        assert batch.rows == sum(ticket.rows for ticket in batch.tickets)
        assert batch.rows <= CONFIG.max_batch_rows or len(batch.tickets) == 1
        left = [ticket for ticket in self.accepted if ticket.state is TicketState.WAITING]
        order = [*batch.tickets, *sorted(left, key=self.place)]
        assert order == sorted(order, key=self.place)
        now = self.clock.monotonic()
        assert all(ticket.deadline is None or now < ticket.deadline for ticket in batch.tickets)
        return batch

    def place(self, ticket):
        """A ticket's place in the order of service; the clock's steps are whole milliseconds."""
        late_ms = round((ticket.enqueued_at + (ticket.priority - 1) * PRIORITY_STEP_S) * 1e3)
        return late_ms, ticket.priority, self.accepted.index(ticket)

    @rule(batch=consumes(batches), works=st.booleans())
    def finish(self, batch, works):
        if batch is None:
            return
        self.running -= 1
        parts = batch.split(batch.assemble())
        self.queue.settle(batch, parts if works else [HeadraceError("no")] * len(parts))

    @rule(ticket=tickets)
    def cancel(self, ticket):
        if ticket in self.accepted:
            self.queue.cancel(ticket)

    @invariant()
    def rows_are_counted(self):
        waiting = [ticket for ticket in self.accepted if ticket.state is TicketState.WAITING]
        assert self.queue.waiting_rows == sum(ticket.rows for ticket in waiting)
        for level in (1, 2, 3):
            assert list(self.queue._levels[level - 1]) == [t for t in waiting if t.priority == level]

    @invariant()
    def every_end_without_the_models_answer_is_counted(self):
        ended = [ticket.error for ticket in self.accepted if isinstance(ticket.error, DeadlineError | CancelledError)]
        assert len(self.drops) == self.refused + len(ended)

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
