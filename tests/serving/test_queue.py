import threading

import numpy as np
import pytest

from headrace.core.clock import ManualClock
from headrace.core.errors import (
    CancelledError,
    DeadlineError,
    ExhaustedError,
    HeadraceError,
    InvalidInputError,
    UnavailableError,
)
from headrace.serving.batching.execution import EXTRA_RUNS, run_batch
from headrace.serving.batching.queue import BatchQueue, Drop
from headrace.serving.batching.tickets import Ticket, TicketState
from headrace.serving.config import BatchingConfig

JOIN_S = 60.0


def make(rows: int = 1, **given) -> Ticket:
    return Ticket((np.full((rows, 1), rows, np.float32),), **given)


def new_queue(*, mixed=False, dropped=lambda _: None, **changes):
    clock = ManualClock()
    bounds = {"max_batch_rows": 8, "window_us": 1000, "parallel_batches": 1, "max_queue_rows": 100, "adaptive": False}
    return BatchQueue("late@1", BatchingConfig(**(bounds | changes)), clock, mixed=mixed, dropped=dropped), clock


def submit(queue, *tickets):
    for ticket in tickets:
        queue.submit(ticket)


def answer(queue, batch):
    queue.settle(batch, batch.split(batch.assemble()))


def in_thread(function):
    """Run in a thread; the returned function waits for its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()

    def wait():
        thread.join(JOIN_S)
        assert not thread.is_alive()
        return results[0]

    return wait


def test_a_lone_request_is_taken_by_its_own_thread_at_once():
    queue, _ = new_queue()
    ticket = make(3)
    submit(queue, ticket)
    batch = queue.take(ticket)
    assert batch.tickets == (ticket,)
    answer(queue, batch)
    assert queue.take(ticket) is None
    np.testing.assert_array_equal(ticket.outputs[0], ticket.inputs[0])


def test_requests_that_wait_behind_a_batch_run_together():
    queue, _ = new_queue()
    first, second, third = make(1), make(2), make(3)
    submit(queue, first)
    running = queue.take(first)
    submit(queue, second, third)
    answer(queue, running)
    together = queue.take(second)
    assert together.tickets == (second, third)
    answer(queue, together)
    assert third.outputs[0].tolist() == [[3.0]] * 3


def test_a_thread_whose_ticket_another_answered_is_woken_and_takes_nothing():
    queue, _ = new_queue()
    first, second = make(), make()
    submit(queue, first)
    running = queue.take(first)
    submit(queue, second)
    asleep = threading.Event()
    second._before_sleep = lambda _: asleep.set()
    wait = in_thread(lambda: queue.take(second))
    assert asleep.wait(JOIN_S)
    answer(queue, running)
    batch = wait()
    assert batch.tickets == (second,)


def test_a_deadline_centuries_away_is_slept_towards_like_none():
    queue, _ = new_queue()
    first, second = make(), make(deadline=1e11)
    submit(queue, first)
    running = queue.take(first)
    submit(queue, second)
    asleep = threading.Event()
    second._before_sleep = lambda _: asleep.set()
    wait = in_thread(lambda: queue.take(second))
    assert asleep.wait(JOIN_S)
    answer(queue, running)
    assert wait().tickets == (second,)


def test_the_second_slot_waits_for_the_window_counted_from_the_first_request():
    queue, clock = new_queue(parallel_batches=2)
    first, second, third = make(), make(), make()
    submit(queue, first)
    queue.take(first)
    submit(queue, second)
    clock.advance(0.0009)
    submit(queue, third)
    assert queue.poll() == (None, pytest.approx(0.001))
    clock.advance(0.0002)
    assert queue.take(third).tickets == (second, third)


def test_the_second_slot_fires_at_once_when_a_batch_is_full():
    queue, _ = new_queue(parallel_batches=2, max_batch_rows=4)
    first, full = make(), make(4)
    submit(queue, first)
    queue.take(first)
    submit(queue, full)
    assert queue.take(full).tickets == (full,)


def test_expired_tickets_are_dropped_before_a_batch_runs():
    queue, clock = new_queue()
    running, late, good = make(), make(deadline=0.005), make()
    submit(queue, running)
    batch = queue.take(running)
    submit(queue, late, good)
    clock.advance(0.006)
    answer(queue, batch)
    assert queue.take(good).tickets == (good,)
    assert queue.take(late) is None
    assert isinstance(late.error, DeadlineError)


def test_a_ticket_that_is_too_late_already_is_refused():
    queue, clock = new_queue()
    clock.advance(1.0)
    with pytest.raises(DeadlineError):
        queue.submit(make(deadline=0.5))
    assert queue.waiting_rows == 0


def test_a_deadline_that_passes_while_its_batch_runs_answers_that_ticket_alone():
    queue, clock = new_queue()
    hurried, patient = make(deadline=0.005), make(2)
    submit(queue, hurried, patient)
    batch = queue.take(patient)
    clock.advance(0.01)
    assert queue.take(hurried) is None
    assert isinstance(hurried.error, DeadlineError)
    answer(queue, batch)
    assert hurried.outputs is None
    assert patient.outputs[0].shape == (2, 1)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("running", [False, True])
def test_a_withdrawn_ticket_leaves_its_batch_mates_alone(position, running):
    queue, _ = new_queue()
    tickets = [make(rows) for rows in (1, 2, 3)]
    submit(queue, *tickets)
    keeper = tickets[(position + 1) % 3]
    batch = queue.take(keeper) if running else None
    queue.cancel(tickets[position])
    answer(queue, batch or queue.take(keeper))
    for ticket in tickets:
        if ticket is tickets[position]:
            assert isinstance(ticket.error, CancelledError)
        else:
            assert ticket.outputs[0].tolist() == ticket.inputs[0].tolist()


def test_withdrawing_an_answered_ticket_changes_nothing():
    queue, _ = new_queue()
    ticket = make()
    submit(queue, ticket)
    answer(queue, queue.take(ticket))
    queue.cancel(ticket)
    assert ticket.error is None


def test_a_failure_reaches_each_member_once_and_frees_the_slot():
    queue, _ = new_queue()
    tickets = [make(), make()]
    submit(queue, *tickets)
    error = HeadraceError("broken")

    def work(_batch):
        raise error

    run_batch(queue, queue.take(tickets[0]), work)
    assert [ticket.error for ticket in tickets] == [error, error]
    after = make()
    submit(queue, after)
    assert queue.take(after).tickets == (after,)


@pytest.mark.parametrize("bad", [{0}, {4}, {6}, {1, 5}])
def test_bad_requests_fail_alone(bad):
    """A failed batch is halved until the bad ones are found; the others get their answers."""
    queue, _ = new_queue()
    tickets = [make() for _ in range(7)]
    submit(queue, *tickets)
    runs = []

    def work(batch):
        runs.append(len(batch.tickets))
        if any(batch.tickets.count(tickets[position]) for position in bad):
            raise HeadraceError("index out of bounds")
        return batch.split(batch.assemble())

    run_batch(queue, queue.take(tickets[0]), work)
    assert {position for position, ticket in enumerate(tickets) if ticket.error} == bad
    assert all(ticket.error or ticket.outputs[0].tolist() == [[1.0]] for ticket in tickets)
    assert len(runs) <= 1 + 6 * len(bad)


def test_a_broken_model_is_not_asked_for_ever():
    queue, _ = new_queue(max_batch_rows=1000, max_queue_rows=1000)
    tickets = [make() for _ in range(500)]
    submit(queue, *tickets)
    runs = []

    def work(batch):
        runs.append(len(batch.tickets))
        raise HeadraceError("broken")

    run_batch(queue, queue.take(tickets[0]), work)
    assert all(isinstance(ticket.error, HeadraceError) for ticket in tickets)
    assert len(runs) == 1 + EXTRA_RUNS


def test_a_surprise_answers_the_members_and_goes_on():
    queue, _ = new_queue()
    ticket = make()
    submit(queue, ticket)

    def work(_batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(queue, queue.take(ticket), work)
    assert ticket.state is TicketState.DONE
    assert ticket.error is not None


def test_a_full_queue_refuses_and_says_how_full_it_is():
    queue, _ = new_queue(max_queue_rows=10)
    submit(queue, make(9))
    with pytest.raises(ExhaustedError, match="full: at most 10 rows may wait"):
        queue.submit(make(2))
    queue.submit(make(1))


def test_a_request_larger_than_the_queue_is_taken_when_the_queue_is_empty():
    queue, _ = new_queue(max_queue_rows=10)
    ticket = make(50)
    submit(queue, ticket)
    assert queue.take(ticket).rows == 50


def test_a_queue_whose_executors_are_busy_sheds_what_would_miss_the_target():
    queue, clock = new_queue(target_ms=20.0)
    first = make()
    submit(queue, first)
    batch = queue.take(first)
    clock.advance(0.004)
    answer(queue, batch)  # a row takes 4 ms: one may run and one wait, three more would take 16 ms and the rest of one
    running, waiting = make(), make()
    submit(queue, running)
    queue.take(running)
    submit(queue, waiting)
    with pytest.raises(ExhaustedError, match=r"overloaded: the answer would come after the target of 20 ms"):
        queue.submit(make(3))
    assert queue.waiting_rows == 1


def test_the_first_priority_is_served_first_and_none_given_is_the_default():
    queue, _ = new_queue(max_batch_rows=1)
    running, last, none, first = make(), make(priority=3), make(), make(priority=1)
    submit(queue, running)
    batch = queue.take(running)
    submit(queue, last, none, first)
    served = []
    for _ in range(3):
        answer(queue, batch)
        batch, _ = queue.poll()
        served += batch.tickets
    assert served == [first, none, last]


@pytest.mark.parametrize("priority", [-1, 4])
def test_a_priority_that_is_not_there_is_refused(priority):
    queue, _ = new_queue()
    with pytest.raises(InvalidInputError, match=f"priority is {priority}; allowed: 1, served first, to 3"):
        queue.submit(make(priority=priority))


def test_tickets_that_differ_in_trailing_shape_do_not_share_a_batch():
    queue, _ = new_queue(mixed=True)
    running, narrow, wide = make(), make(), Ticket((np.zeros((1, 2), np.float32),))
    submit(queue, running)
    batch = queue.take(running)
    submit(queue, narrow, wide)
    answer(queue, batch)
    assert queue.take(narrow).tickets == (narrow,)


def test_every_request_without_an_answer_of_the_model_is_counted_with_its_reason():
    drops = []
    queue, clock = new_queue(max_queue_rows=4, dropped=drops.append)
    running, withdrawn, late, early = make(), make(), make(deadline=0.5), make()
    submit(queue, running)
    batch = queue.take(running)
    submit(queue, withdrawn, late, early)
    with pytest.raises(ExhaustedError):
        queue.submit(make(2))
    queue.cancel(withdrawn)
    queue.cancel(running)
    clock.advance(1.0)
    answer(queue, batch)
    hurried = make(deadline=2.0)
    submit(queue, hurried)
    assert queue.take(early).tickets == (early, hurried)
    clock.advance(2.0)
    assert queue.take(hurried) is None
    with pytest.raises(DeadlineError):
        queue.submit(make(deadline=2.5))
    queue.close()
    with pytest.raises(UnavailableError):
        queue.submit(make())
    assert drops == [
        Drop.QUEUE_FULL,
        Drop.CANCELLED_WAITING,
        Drop.CANCELLED_RUNNING,
        Drop.EXPIRED_WAITING,
        Drop.EXPIRED_RUNNING,
        Drop.EXPIRED_WAITING,
        Drop.DRAINING,
    ]


def test_a_ticket_without_a_thread_does_not_keep_the_others_asleep():
    """When a batch ends, somebody who sleeps is sent to look, though the next ticket's own thread is elsewhere."""
    queue, _ = new_queue()
    running, absent, present = make(), make(), make()
    submit(queue, running)
    batch = queue.take(running)
    submit(queue, absent, present)
    asleep = threading.Event()
    present._before_sleep = lambda _: asleep.set()
    wait = in_thread(lambda: queue.take(present))
    assert asleep.wait(JOIN_S)
    answer(queue, batch)
    assert wait().tickets == (absent, present)


def test_who_watches_the_window_hands_the_watch_over_when_it_is_withdrawn():
    queue, clock = new_queue(parallel_batches=2)
    running, first, second = make(), make(), make()
    submit(queue, running)
    queue.take(running)
    submit(queue, first, second)
    waits = []
    for ticket in (first, second):
        asleep = threading.Event()
        ticket._before_sleep = lambda _, asleep=asleep: asleep.set()
        waits.append(in_thread(lambda ticket=ticket: queue.take(ticket)))
        assert asleep.wait(JOIN_S)
    clock.advance(1.0)  # the window is over, but its watcher sleeps by another clock
    queue.cancel(first)
    assert waits[0]() is None
    assert waits[1]().tickets == (second,)


def test_a_closed_queue_refuses_new_tickets_and_serves_those_it_has():
    queue, _ = new_queue()
    ticket = make()
    submit(queue, ticket)
    queue.close()
    with pytest.raises(UnavailableError, match="draining"):
        queue.submit(make())
    assert queue.take(ticket).tickets == (ticket,)


def test_many_threads_all_get_their_own_answer():
    """No wake-up is lost: with every ticket answered, every thread has returned."""
    queue, _ = new_queue(max_batch_rows=5, parallel_batches=2, window_us=0)
    wrong = []

    def client(value):
        for turn in range(50):
            rows = 1 + (value + turn) % 3
            ticket = Ticket((np.full((rows, 1), value * 1000 + turn, np.float32),))
            queue.submit(ticket)
            while (batch := queue.take(ticket)) is not None:
                run_batch(queue, batch, lambda batch: batch.split(batch.assemble()))
            if ticket.error or ticket.outputs[0].tolist() != ticket.inputs[0].tolist():
                wrong.append(ticket)

    threads = [threading.Thread(target=client, args=(value,), daemon=True) for value in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
        assert not thread.is_alive()
    assert not wrong
    assert queue.waiting_rows == 0
