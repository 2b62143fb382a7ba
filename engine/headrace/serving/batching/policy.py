"""When a batch fires and who is in it: pure decisions about times and rows, made by `serving.batching.queue`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.serving.batching.tickets import Ticket
from headrace.serving.config import BatchingConfig

NOW = float("-inf")
"""A firing time that has come, whatever the clock says."""


@dataclass(frozen=True)
class BatchPolicy:
    """Fires when full, when the window of the oldest request closes, or at once when nothing of the model runs.

    A lone request never waits for company: an idle executor takes it as it comes.

    Attributes:
        max_batch_rows: rows that requests are combined up to; a larger request runs alone.
        window_s: counted from the arrival of the batch's first request, not from the moment an executor looks.
        parallel_batches: batches that run at a time.
    """

    max_batch_rows: int
    window_s: float
    parallel_batches: int

    @classmethod
    def of(cls, config: BatchingConfig) -> BatchPolicy:
        """Take the policy's part of the configuration."""
        return cls(config.max_batch_rows, config.window_us / 1e6, config.slots)

    def fires_at(self, *, rows: int, oldest_at: float, running: int) -> float | None:
        """When the waiting requests may be taken.

        Args:
            rows: rows that wait, at least one.
            oldest_at: monotonic seconds at which the oldest of them came.
            running: batches of the model that run now.

        Returns:
            Monotonic seconds, `NOW` for at once, None for not before a running batch ends.
        """
        if running >= self.parallel_batches:
            return None
        if running == 0 or rows >= self.max_batch_rows:
            return NOW
        return oldest_at + self.window_s

    def select(self, waiting: Sequence[Ticket]) -> int:
        """Count the tickets at the head of the queue that make the next batch; at least one.

        Complexity: linear in the answer.
        """
        first = waiting[0]
        rows = first.rows
        for count in range(1, len(waiting)):
            ticket = waiting[count]
            rows += ticket.rows
            if rows > self.max_batch_rows or not ticket.fits_with(first):
                return count
        return len(waiting)
