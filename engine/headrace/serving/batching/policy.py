"""The rules of batching as pure decisions about times and rows; queues of either transport obey them.

* idle (`admits`): a request that finds nothing waiting and an executor free is taken, whatever its size.
* full (`admits`): else it is refused where more than `max_queue_rows` would wait, unless nothing waits yet.
* shed (`admits`): else it is refused where more than `admit_rows` would wait, or where it had waited to be read for
  longer than `unread_s`.
* fire (`fires_at`): nothing fires while `parallel_batches` run. Else a batch fires at once when none runs or
  `max_batch_rows` wait; else when the window is over, which begins with the arrival of the oldest waiting request.
* order (`next_batch`): by arrival, where a request of priority p counts as come (p - 1) * `PRIORITY_STEP_S` later; of
  equals the higher priority first, then the earlier.
* batch (`next_batch`): the head of that order, and those after it while their rows fit into `max_batch_rows` and their
  inputs look alike. The first that does not fit ends the batch: nobody overtakes it. A larger request runs alone.
* expired: a request whose deadline has come is answered DEADLINE_EXCEEDED and never runs.

So within a priority requests are served as they came, and a request of the last priority waits behind those of the
first that came up to `PRIORITY_STEP_S` a level after it, never behind more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Protocol, TypeVar

from headrace.serving.config import BatchingConfig

NOW = float("-inf")
"""A firing time that has come, whatever the clock says."""

UNBOUNDED_ROWS = 2**62
"""An `admit_rows` that sheds nothing; fits a signed 64-bit integer."""

PRIORITY_STEP_S = 0.1
"""How much later a request counts as come for each level of priority below the first."""


class Admission(Enum):
    """What happens to a request as it comes."""

    TAKEN = "taken"
    FULL = "full"
    SHED = "shed"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the controller of a model version decides, and its queues obey.

    Attributes:
        window_s: how long a batch may wait for company while another batch of the model runs, from the arrival of the
            oldest waiting request.
        max_batch_rows: rows that requests are combined up to; a larger request runs alone.
        admit_rows: rows that may wait when a request is taken, its own included; `UNBOUNDED_ROWS`: as many as come.
        unread_s: how long a request may have waited to be read.
    """

    window_s: float
    max_batch_rows: int
    admit_rows: int = UNBOUNDED_ROWS
    unread_s: float = float("inf")

    @classmethod
    def of(cls, config: BatchingConfig) -> Parameters:
        """Take the configuration as it stands: what holds before anything is measured, or without adaption."""
        return cls(config.window_us / 1e6, config.max_batch_rows)


class Waiting(Protocol):
    """What the order depends on."""

    rows: int
    enqueued_at: float


Item = TypeVar("Item", bound=Waiting)


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """The rules above, for one model version.

    Attributes:
        parallel_batches: batches that run at a time.
        max_queue_rows: rows that may wait.
    """

    parallel_batches: int
    max_queue_rows: int

    @classmethod
    def of(cls, config: BatchingConfig) -> BatchPolicy:
        """Take the policy's part of the configuration."""
        return cls(config.slots, config.max_queue_rows)

    def admits(
        self, rows: int, parameters: Parameters, waiting_rows: int, running: int, *, unread_s: float = 0.0
    ) -> Admission:
        """Whether a request may join the queue.

        Args:
            rows: its rows.
            parameters: in force now.
            waiting_rows: rows that wait.
            running: batches that run.
            unread_s: how long it waited to be read, where that is known.
        """
        if not waiting_rows and running < self.parallel_batches:
            return Admission.TAKEN
        if waiting_rows and waiting_rows + rows > self.max_queue_rows:
            return Admission.FULL
        late = waiting_rows + rows > parameters.admit_rows or unread_s > parameters.unread_s
        return Admission.SHED if late else Admission.TAKEN

    def fires_at(self, rows: int, parameters: Parameters, oldest_at: float, running: int) -> float | None:
        """When the waiting requests may be taken.

        Args:
            rows: rows that wait, at least one.
            parameters: in force now.
            oldest_at: monotonic seconds at which the oldest of them came.
            running: batches of the model that run now.

        Returns:
            Monotonic seconds, `NOW` for at once, None for not before a running batch ends.
        """
        if running >= self.parallel_batches:
            return None
        if running == 0 or rows >= parameters.max_batch_rows:
            return NOW
        return oldest_at + parameters.window_s


def next_batch(
    levels: Sequence[Collection[Item]], max_batch_rows: int, *, alike: Callable[[Item, Item], bool] | None = None
) -> list[Item]:
    """Choose who is in the next batch, in order; at least one.

    Args:
        levels: the waiting requests of each priority, the first first, each level as they came; not all empty.
        max_batch_rows: rows that requests are combined up to.
        alike: whether the inputs of two requests may be stacked; None: of any two.

    Complexity: linear in the answer, times the levels in use.
    """
    used = [level for level in levels if level]
    ordered = iter(used[0]) if len(used) == 1 else _merge(levels)
    first = next(ordered)
    batch = [first]
    rows = first.rows
    for item in ordered:
        rows += item.rows
        if rows > max_batch_rows or (alike is not None and not alike(first, item)):
            break
        batch.append(item)
    return batch


def _merge(levels: Sequence[Collection[Item]]) -> Iterator[Item]:
    """Merge levels, each of which is in order already."""
    heads: list[tuple[float, int, Item, Iterator[Item]]] = []
    for level, waiting in enumerate(levels):
        items = iter(waiting)
        heads += [(head.enqueued_at + level * PRIORITY_STEP_S, level, head, items) for head in islice(items, 1)]
    while heads:
        place = min(range(len(heads)), key=lambda place: heads[place][:2])  # of equals the higher priority
        _, level, item, items = heads.pop(place)
        yield item
        heads += [(head.enqueued_at + level * PRIORITY_STEP_S, level, head, items) for head in islice(items, 1)]
