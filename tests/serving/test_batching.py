import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.serving.batching.policy import NOW, BatchPolicy
from headrace.serving.batching.tickets import Batch, Ticket


def ticket(rows: int, width: int = 2, dtype=np.float32) -> Ticket:
    return Ticket((np.zeros((rows, width), dtype),))


POLICY = BatchPolicy(max_batch_rows=8, window_s=0.001, parallel_batches=2)


@pytest.mark.parametrize(
    ("rows", "running", "fires_at"),
    [
        (1, 0, NOW),  # an idle model waits for nobody
        (7, 1, 10.001),  # a busy one waits until the window of the oldest closes
        (8, 1, NOW),  # or the batch is full
        (100, 2, None),  # no slot: not before a batch ends
    ],
)
def test_a_batch_fires_when_idle_full_or_old(rows, running, fires_at):
    assert POLICY.fires_at(rows=rows, oldest_at=10.0, running=running) == fires_at


@pytest.mark.parametrize(
    ("rows", "count"), [([3], 1), ([3, 5], 2), ([3, 6], 1), ([9, 1], 1), ([1] * 20, 8), ([8, 1], 1), ([7, 2, 1], 1)]
)
def test_a_batch_takes_the_head_of_the_queue_up_to_its_rows(rows, count):
    assert POLICY.select([ticket(n) for n in rows]) == count


def test_only_equal_dtypes_and_trailing_shapes_share_a_batch():
    assert POLICY.select([ticket(1), ticket(1), ticket(1, width=3), ticket(1)]) == 2
    assert POLICY.select([ticket(1), ticket(1, dtype=np.float64)]) == 1


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
