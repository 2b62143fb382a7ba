"""The rules of batching, held against every implementation of them: plain numbers in, plain numbers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.serving.batching.policy import NOW, PRIORITY_STEP_S, BatchPolicy, Parameters, next_batch
from headrace.serving.batching.tickets import Batch, Ticket

MAX_QUEUE_ROWS = 100
READ_AT_ONCE = {"unread_s": 0.0, "unread_bound_s": 1.0}


@dataclass(frozen=True)
class Item:
    rows: int
    enqueued_at: float
    position: int


class PythonPolicy:
    """`serving.batching.policy` as plain functions."""

    def admits(self, rows, *, waiting_rows, running, admit_rows, max_queue_rows, parallel, unread_s, unread_bound_s):
        parameters = Parameters(0.0, 8, admit_rows, unread_bound_s)
        policy = BatchPolicy(parallel, max_queue_rows)
        return policy.admits(rows, parameters, waiting_rows, running, unread_s=unread_s).value

    def fires_at(self, rows, oldest_at, running, *, max_batch_rows, window_s, parallel):
        parameters = Parameters(window_s, max_batch_rows)
        return BatchPolicy(parallel, MAX_QUEUE_ROWS).fires_at(rows, parameters, oldest_at, running)

    def select(self, waiting, max_batch_rows):
        levels = [[], [], [], []]
        for position, (rows, priority, arrival) in enumerate(waiting):
            levels[priority - 1].append(Item(rows, arrival, position))
        return [item.position for item in next_batch(levels, max_batch_rows)]


class NativePolicy:
    """`engine/native/front/policy.h`, and the order in which a lane takes its requests."""

    def admits(self, rows, **given):
        return _rules().admits(rows, **given)

    def fires_at(self, rows, oldest_at, running, **given):
        return _rules().fires_at(rows, oldest_at, running, **given)

    def select(self, waiting, max_batch_rows):
        return _rules().select(waiting, max_batch_rows)


def _rules():
    return pytest.importorskip("headrace.serving.transport._rules", reason="the native door is not built here")


def in_order(waiting):
    """Positions by the rule of order, naively."""
    keys = [arrival + (priority - 1) * PRIORITY_STEP_S for _, priority, arrival in waiting]
    return sorted(range(len(waiting)), key=lambda position: keys[position])


@st.composite
def queues(draw):
    """Requests of priorities 1 to 4 as they came; no two are equal in order, whatever the rounding."""
    waiting = []
    for gap_ms in draw(st.lists(st.integers(0, 200), min_size=1, max_size=12)):
        priority = draw(st.integers(1, 4))
        before_ms = round(waiting[-1][2] * 1e3) if waiting else 0
        arrival_ms = (before_ms + gap_ms + 3) // 4 * 4 + priority - 1
        waiting.append((draw(st.integers(1, 5)), priority, arrival_ms / 1e3))
    return waiting


@pytest.mark.parametrize(
    "policy", [pytest.param(PythonPolicy(), id="python"), pytest.param(NativePolicy(), id="native")]
)
class TestRules:
    """An implementation offers `admits`, `fires_at` and `select`; times are seconds, positions count from 0."""

    @pytest.mark.parametrize(
        ("rows", "waiting_rows", "running", "outcome"),
        [
            (1, 0, 0, "taken"),
            (500, 0, 1, "taken"),  # an executor is free and nothing waits: whatever its size
            (20, 0, 2, "taken"),
            (21, 0, 2, "shed"),  # every executor is busy: it would wait too long
            (1, 19, 1, "taken"),
            (2, 19, 1, "shed"),  # an executor is free, but others are before it
            (82, 19, 1, "full"),  # beyond both bounds the queue is full
        ],
    )
    def test_a_request_is_admitted_idle_or_within_both_bounds(self, policy, rows, waiting_rows, running, outcome):
        bounds = {"admit_rows": 20, "max_queue_rows": MAX_QUEUE_ROWS, "parallel": 2} | READ_AT_ONCE
        assert policy.admits(rows, waiting_rows=waiting_rows, running=running, **bounds) == outcome

    @pytest.mark.parametrize(
        ("unread_s", "waiting_rows", "running", "outcome"),
        [(0.002, 1, 2, "taken"), (0.0021, 1, 2, "shed"), (0.0021, 0, 2, "shed"), (5.0, 0, 1, "taken")],
    )
    def test_a_request_that_was_read_late_is_shed_unless_an_executor_is_idle(
        self, policy, unread_s, waiting_rows, running, outcome
    ):
        bounds = {"admit_rows": 20, "max_queue_rows": MAX_QUEUE_ROWS, "parallel": 2, "unread_bound_s": 0.002}
        given = {"waiting_rows": waiting_rows, "running": running, "unread_s": unread_s}
        assert policy.admits(1, **given, **bounds) == outcome

    def test_a_request_larger_than_the_queue_waits_alone_where_nothing_is_shed(self, policy):
        bounds = {"admit_rows": 2**62, "max_queue_rows": 10, "parallel": 1} | READ_AT_ONCE
        assert policy.admits(50, waiting_rows=0, running=1, **bounds) == "taken"
        assert policy.admits(50, waiting_rows=1, running=1, **bounds) == "full"

    @pytest.mark.parametrize(
        ("rows", "running", "fires_at"),
        [
            (1, 0, NOW),  # an idle model waits for nobody
            (7, 1, 10.001),  # a busy one waits until the window of the oldest closes
            (8, 1, NOW),  # or the batch is full
            (100, 2, None),  # no slot: not before a batch ends
        ],
    )
    def test_a_batch_fires_when_idle_full_or_old(self, policy, rows, running, fires_at):
        found = policy.fires_at(rows, 10.0, running, max_batch_rows=8, window_s=0.001, parallel=2)
        assert found == fires_at if fires_at in (NOW, None) else found == pytest.approx(fires_at, abs=1e-9)

    @pytest.mark.parametrize(
        ("rows", "count"), [([3], 1), ([3, 5], 2), ([3, 6], 1), ([9, 1], 1), ([1] * 20, 8), ([8, 1], 1), ([7, 2, 1], 1)]
    )
    def test_a_batch_takes_the_head_of_the_queue_up_to_its_rows(self, policy, rows, count):
        assert policy.select([(n, 2, 0.0) for n in rows], 8) == list(range(count))

    def test_the_first_priority_goes_first(self, policy):
        assert policy.select([(1, 3, 0.0), (1, 2, 0.001), (1, 1, 0.002)], 2) == [2, 1]

    def test_within_a_priority_requests_are_served_as_they_came(self, policy):
        assert policy.select([(1, 2, 0.5), (1, 2, 0.5), (1, 2, 0.5)], 8) == [0, 1, 2]

    def test_who_has_waited_for_long_goes_before_a_higher_priority(self, policy):
        just_before, just_after = PRIORITY_STEP_S - 0.001, PRIORITY_STEP_S + 0.001
        assert policy.select([(1, 2, 0.0), (1, 1, just_before)], 1) == [1]
        assert policy.select([(1, 2, 0.0), (1, 1, just_after)], 1) == [0]
        assert policy.select([(1, 3, 0.0), (1, 1, just_after)], 1) == [1]

    def test_nobody_overtakes_one_that_does_not_fit(self, policy):
        assert policy.select([(6, 1, 0.0), (6, 2, 0.0), (1, 3, 0.0)], 8) == [0]

    @given(waiting=queues(), max_batch_rows=st.integers(1, 12))
    def test_a_batch_is_the_longest_head_of_the_order_that_fits(self, policy, waiting, max_batch_rows):
        order = in_order(waiting)
        rows = np.cumsum([waiting[position][0] for position in order])
        assert policy.select(waiting, max_batch_rows) == order[: max(1, int((rows <= max_batch_rows).sum()))]


def ticket(rows: int, width: int = 2, dtype=np.float32) -> Ticket:
    return Ticket((np.zeros((rows, width), dtype),))


@pytest.mark.parametrize("other", [ticket(1, width=3), ticket(1, dtype=np.float64)])
def test_only_equal_dtypes_and_trailing_shapes_share_a_batch(other):
    tickets = [ticket(1), ticket(1), other, ticket(1)]
    assert next_batch([tickets], 8, alike=Ticket.fits_with) == tickets[:2]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_what_is_assembled_is_split_again(rows):
    rng = np.random.default_rng(0)
    tickets = tuple(Ticket((rng.random((n, 3), np.float32), np.arange(n))) for n in rows)
    batch = Batch(tickets, sum(rows))
    parts = batch.split(batch.assemble())
    for member, part in zip(tickets, parts, strict=True):
        for came, went in zip(member.inputs, part, strict=True):
            np.testing.assert_array_equal(came, went)


def test_a_lone_ticket_is_not_copied():
    lone = ticket(3)
    assert Batch((lone,), 3).assemble() is lone.inputs
