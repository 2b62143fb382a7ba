"""Runs a batch that was taken, and sees to it that every member is answered, once, for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headrace.core.errors import HeadraceError
from headrace.serving.batching.queue import BatchQueue
from headrace.serving.batching.tickets import Arrays, Batch

EXTRA_RUNS = 32
"""Runs that a failed batch may be divided into: enough to find one bad request among 65,536, two among 256."""

Work = Callable[[Batch], Sequence[Arrays]]
Outcomes = Sequence[Arrays | HeadraceError]


def run_batch(queue: BatchQueue, batch: Batch, work: Work) -> None:
    """Run a taken batch and answer its tickets, whatever happens.

    A batch that fails is halved and its halves run again, so that one bad request does not fail its mates: the same
    answer as if each had come alone. What is still together when `EXTRA_RUNS` are spent fails together.

    Args:
        queue: where the batch was taken.
        batch: the batch.
        work: gives each ticket's part of the outputs, or raises.

    Raises:
        BaseException: what `work` raised beyond the project's errors; the tickets have been answered by then.
    """
    outcomes: Outcomes | None = None
    try:
        outcomes = work(batch)
    except HeadraceError as error:
        outcomes = _divide(batch, work, error)
    finally:
        queue.settle(batch, outcomes or [HeadraceError("the batch failed")] * len(batch.tickets))


def _divide(batch: Batch, work: Work, error: HeadraceError) -> Outcomes:
    """Outcome of each ticket of a batch that failed, breadth first: wide halves are tried before narrow ones."""
    outcomes: dict[int, Arrays | HeadraceError] = {}
    failed = [(0, batch, error)]
    runs = EXTRA_RUNS
    while failed:
        start, part, reason = failed.pop(0)
        if len(part.tickets) == 1 or runs < 2:
            outcomes.update(dict.fromkeys(range(start, start + len(part.tickets)), reason))
            continue
        first, second = part.halves()
        for begin, half in ((start, first), (start + len(first.tickets), second)):
            runs -= 1
            try:
                outcomes.update(enumerate(work(half), begin))
            except HeadraceError as again:
                failed.append((begin, half, again))
    return [outcomes[position] for position in range(len(batch.tickets))]
