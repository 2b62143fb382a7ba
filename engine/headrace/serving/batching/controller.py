"""Sets window, batch size and admission of one model version by what is measured; both transports' queues obey.

What it decides, and why:

* `window_s`: waiting for company saves the fixed part of a batch's time, and costs each waiting request the wait. The
  saving is worth something only where executors are short of time. So the window is 0 up to a load of `BUSY_FROM`, and
  grows to the fixed part at full load, never beyond the configured window; and it is 0 where nobody is expected to come
  within it. (A lone request never waits: `serving.batching.policy`.)
* `max_batch_rows`: one batch takes at most `BATCH_SHARE` of the target, so that who comes behind it is not late; but
  where the fixed part is large it may take `LONG_BATCH_SHARE`, to run at nine tenths of the best throughput.
* `admit_rows`: a request that is taken waits for the rest of the running batch, then for the rows before it. It is
  taken while that comes to at most `TARGET_SHARE` of the target, times a margin: the margin shrinks when a request was
  late all the same (a slow machine, a service time that varies), and recovers slowly.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.serving.batching.policy import UNBOUNDED_ROWS, Parameters
from headrace.serving.batching.service_times import ServiceTimes
from headrace.serving.config import BatchingConfig

TARGET_SHARE = 0.85
"""Part of the target that the queue and the executor may use; the rest is for reading and writing."""

BATCH_SHARE = 0.25
LONG_BATCH_SHARE = 0.4
BUSY_FROM = 0.7

DECIDE_EVERY_S = 0.01
"""Parameters are decided anew at most this often."""

RATE_MEMORY_S = 0.05
"""Time over which the arrival rate is averaged."""

LATE_FACTOR = 0.85
RECOVERY = 0.002
LEAST_MARGIN = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured.

    Attributes:
        rows_per_s: rows that come a second.
        batch_rows: rows of a batch, on average.
        largest_rows: rows of a large batch lately.
        fixed_s: seconds of a batch, however many rows it has.
        row_s: seconds that each row adds.
        margin: part of the admissible rows that is admitted, 0 to 1.
    """

    rows_per_s: float
    batch_rows: float
    largest_rows: float
    fixed_s: float
    row_s: float
    margin: float = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is configured.

    Attributes:
        window_s: the longest window.
        max_batch_rows: rows of the largest batch.
        parallel_batches: batches that run at a time.
        target_s: time within which a request is answered or refused at once; None: no request is refused for its time.
        adaptive: whether the window follows the load.
    """

    window_s: float
    max_batch_rows: int
    parallel_batches: int
    target_s: float | None
    adaptive: bool

    @classmethod
    def of(cls, config: BatchingConfig) -> Bounds:
        """Take the controller's part of the configuration."""
        target_s = None if config.target_ms is None else config.target_ms / 1e3
        return cls(config.window_us / 1e6, config.max_batch_rows, config.slots, target_s, config.adaptive)


def decide(load: Load, bounds: Bounds) -> Parameters:
    """Decide the parameters; a pure function of what is measured and configured."""
    window_s = _window_s(load, bounds) if bounds.adaptive else bounds.window_s
    if bounds.target_s is None:
        return Parameters(window_s, bounds.max_batch_rows)
    max_batch_rows = _max_batch_rows(load, bounds, bounds.target_s)
    return Parameters(window_s, max_batch_rows, _admit_rows(load, bounds, bounds.target_s, max_batch_rows))


def _window_s(load: Load, bounds: Bounds) -> float:
    busy = load.rows_per_s * (load.fixed_s / load.batch_rows + load.row_s) / bounds.parallel_batches
    if busy <= BUSY_FROM:
        return 0.0
    window_s = min(bounds.window_s, load.fixed_s * min(1.0, (busy - BUSY_FROM) / (1.0 - BUSY_FROM)))
    return window_s if load.rows_per_s * window_s >= 1.0 else 0.0


def _max_batch_rows(load: Load, bounds: Bounds, target_s: float) -> int:
    if load.row_s <= 0.0:
        return bounds.max_batch_rows
    rows = (BATCH_SHARE * target_s - load.fixed_s) / load.row_s
    efficient = 9.0 * load.fixed_s / load.row_s
    long = (LONG_BATCH_SHARE * target_s - load.fixed_s) / load.row_s
    return max(1, min(bounds.max_batch_rows, int(max(rows, min(efficient, long)))))


def _admit_rows(load: Load, bounds: Bounds, target_s: float, max_batch_rows: int) -> int:
    running_s = load.fixed_s + load.row_s * max(max_batch_rows, load.largest_rows)
    left_s = TARGET_SHARE * load.margin * target_s - running_s
    if left_s <= load.fixed_s:
        return 0
    if load.row_s <= 0.0:
        return int(left_s / load.fixed_s) * max_batch_rows * bounds.parallel_batches
    alone = (left_s - load.fixed_s) / load.row_s
    rows = alone if alone <= max_batch_rows else left_s / (load.fixed_s / max_batch_rows + load.row_s)
    return int(rows * bounds.parallel_batches)


class Controller:
    """Measures, and keeps the decided parameters. Not locked: its owner is.

    Args:
        bounds: what is configured.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.times = ServiceTimes()
        self.parameters = Parameters(bounds.window_s, bounds.max_batch_rows)
        self._bounds = bounds
        self._late_s = UNBOUNDED_ROWS if bounds.target_s is None else TARGET_SHARE * bounds.target_s
        self._margin = 1.0
        self._batch_rows = 1.0
        self._largest_rows = 1.0
        self._rows_per_s = 0.0
        self._arrived_rows = 0
        self._decided_at: float | None = None

    @classmethod
    def of(cls, config: BatchingConfig) -> Controller | None:
        """A controller; None where nothing is left to decide: no target, and no second executor that could wait."""
        if config.target_ms is None and (config.slots == 1 or not config.adaptive):
            return None
        return cls(Bounds.of(config))

    def batch_ran(self, now: float, rows: int, service_s: float, sojourn_s: float, arrived_rows: int) -> Parameters:
        """Learn from a batch that ended.

        Args:
            now: monotonic seconds.
            rows: rows of the batch.
            service_s: from when it was taken until it ended.
            sojourn_s: from when its first request came until it ended.
            arrived_rows: rows that have come so far, refused ones included.

        Returns:
            The parameters from now on.

        Complexity: constant; 1.5 us, and 4 us once in 10 ms.
        """
        self.times.add(rows, service_s)
        self._batch_rows += (rows - self._batch_rows) * 0.1
        self._largest_rows = max(float(rows), self._largest_rows * 0.98)
        if sojourn_s > self._late_s:
            self._margin = max(LEAST_MARGIN, self._margin * LATE_FACTOR)
        elif self._margin < 1.0:
            self._margin = min(1.0, self._margin + RECOVERY)
        if self._decided_at is None:
            self._decided_at = now
            self._arrived_rows = arrived_rows
            self._decide()
        elif now - self._decided_at >= DECIDE_EVERY_S:
            passed_s = now - self._decided_at
            rate = (arrived_rows - self._arrived_rows) / passed_s
            self._rows_per_s += (rate - self._rows_per_s) * min(1.0, passed_s / RATE_MEMORY_S)
            self._decided_at = now
            self._arrived_rows = arrived_rows
            self._decide()
        return self.parameters

    def _decide(self) -> None:
        times = self.times
        load = Load(self._rows_per_s, self._batch_rows, self._largest_rows, times.fixed_s, times.row_s, self._margin)
        self.parameters = decide(load, self._bounds)
