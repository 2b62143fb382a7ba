"""Sets window, batch size and admission of one model version by what is measured; both transports' queues obey.

What it decides, and why:

* `window_s`: waiting for company saves the fixed part of a batch's time, and costs each waiting request the wait. The
  saving is worth something only where executors are short of time. So the window is 0 up to a load of `BUSY_FROM`, and
  grows to the fixed part at full load, never beyond the configured window; and it is 0 where nobody is expected to come
  within it. (A lone request never waits: `serving.batching.policy`.)
* `admit_rows`: a request that is taken waits for the rest of the running batch, then for the rows before it. It is
  taken while that comes to at most `TARGET_SHARE` of the target, times a margin: the margin shrinks when a request was
  late all the same (a slow machine, a service time that varies), and recovers slowly.
* `unread_s`: a part of the target. Where requests come faster than they can be read, refusing is the fastest way to
  catch up.
* `max_batch_rows`: one batch takes at most `BATCH_SHARE` of that time, so that who comes behind it is not late; but
  where the fixed part is large it may take `LONG_BATCH_SHARE`, to run at nine tenths of the best throughput. Where all
  batches had the same size, so that the parts are not known, it may have twice that size, to learn them.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.serving.batching.policy import Parameters
from headrace.serving.batching.service_times import ServiceTimes
from headrace.serving.config import BatchingConfig

TARGET_SHARE = 0.75
"""Part of the target that the queue and the executor may use; the rest is for reading and writing."""

UNREAD_SHARE = 0.5
"""Part of the target that a request may have waited in its socket."""

LATE_SHARE = 0.8
"""A request is late that took more than this part of the target, from when it came to when its batch had run."""

BATCH_SHARE = 0.3
LONG_BATCH_SHARE = 0.45
BUSY_FROM = 0.7

DECIDE_EVERY_S = 0.01
"""Parameters are decided anew at most this often."""

RATE_MEMORY_S = 0.05
"""Time over which the arrival rate is averaged."""

LATE_FACTOR = 0.85
"""The margin shrinks by this when a request was late, at most once in the time of a target: those that wait were
admitted before."""

RECOVERY = 0.001
"""The margin grows by this in the time of a target: few enough requests are late while it feels its way."""

LEAST_MARGIN = 0.2

LEAST_FIXED_PARTS = 4.0
"""The margin never leaves less time than so many fixed parts: with less, hardly a row would be run for each of them."""

LARGEST_KEEP = 0.8
"""What is left of the largest batch's rows, from one batch to the next: requests larger than a batch run alone, and who
comes behind one of those waits for it."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured.

    Attributes:
        rows_per_s: rows that come a second.
        batch_rows: rows of a batch, on average.
        largest_rows: rows of a large batch lately.
        fixed_s: seconds of a batch, however many rows it has.
        row_s: seconds that each row adds.
        told_apart: whether `fixed_s` and `row_s` are known from batches of different sizes.
        margin: part of the admissible time that is used, 0 to 1.
    """

    rows_per_s: float
    batch_rows: float
    largest_rows: float
    fixed_s: float
    row_s: float
    told_apart: bool = True
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
    most_s = TARGET_SHARE * bounds.target_s
    time_s = max(most_s * load.margin, min(most_s, LEAST_FIXED_PARTS * load.fixed_s))
    max_batch_rows = _max_batch_rows(load, bounds, time_s)
    admit_rows = _admit_rows(load, bounds, time_s, max_batch_rows)
    return Parameters(window_s, max_batch_rows, admit_rows, UNREAD_SHARE * bounds.target_s)


def _window_s(load: Load, bounds: Bounds) -> float:
    busy = load.rows_per_s * (load.fixed_s / load.batch_rows + load.row_s) / bounds.parallel_batches
    if busy <= BUSY_FROM:
        return 0.0
    window_s = min(bounds.window_s, load.fixed_s * min(1.0, (busy - BUSY_FROM) / (1.0 - BUSY_FROM)))
    return window_s if load.rows_per_s * window_s >= 1.0 else 0.0


def _max_batch_rows(load: Load, bounds: Bounds, time_s: float) -> int:
    if load.row_s <= 0.0:
        return bounds.max_batch_rows
    short = (BATCH_SHARE * time_s - load.fixed_s) / load.row_s
    long = (LONG_BATCH_SHARE * time_s - load.fixed_s) / load.row_s
    efficient = 9.0 * load.fixed_s / load.row_s
    explored = 0.0 if load.told_apart else 2.0 * load.largest_rows
    return max(1, min(bounds.max_batch_rows, int(max(short, min(efficient, long), explored))))


def _admit_rows(load: Load, bounds: Bounds, time_s: float, max_batch_rows: int) -> int:
    left_s = time_s - load.fixed_s - load.row_s * max(max_batch_rows, load.largest_rows)
    full_s = load.fixed_s + load.row_s * max_batch_rows
    if left_s <= 0.0 or full_s <= 0.0:
        return 0
    batches, rest_s = divmod(left_s, full_s)
    last = (rest_s - load.fixed_s) / load.row_s if rest_s > load.fixed_s and load.row_s > 0.0 else 0.0
    return int((batches * max_batch_rows + last) * bounds.parallel_batches)


class Controller:
    """Measures, and keeps the decided parameters. Not locked: its owner is.

    Args:
        bounds: what is configured.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.times = ServiceTimes()
        self.parameters = Parameters(bounds.window_s, bounds.max_batch_rows)
        self._bounds = bounds
        self._margin = 1.0
        self._late = False
        self._blameless_until = 0.0
        self._batch_rows = 1.0
        self._largest_rows = 1.0
        self._rows_per_s = 0.0
        self._arrived_rows = 0
        self._decided_at = float("-inf")

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
        if self.times.add(rows, service_s):
            self._blameless_until = now + (self._bounds.target_s or 0.0)  # those that wait came before the change
        self._batch_rows += (rows - self._batch_rows) * 0.1
        self._largest_rows = max(float(rows), self._largest_rows * LARGEST_KEEP)
        target_s = self._bounds.target_s
        if target_s is not None and sojourn_s > LATE_SHARE * target_s:
            self._late = True
        if now - self._decided_at >= DECIDE_EVERY_S:
            self._decide(now, arrived_rows)
        return self.parameters

    def _decide(self, now: float, arrived_rows: int) -> None:
        passed_s = min(now - self._decided_at, 1.0)
        rate = (arrived_rows - self._arrived_rows) / passed_s
        self._rows_per_s += (rate - self._rows_per_s) * min(1.0, passed_s / RATE_MEMORY_S)
        self._decided_at = now
        self._arrived_rows = arrived_rows
        if self._bounds.target_s is not None:
            self._move_margin(now, passed_s, self._bounds.target_s)
        load = Load(
            rows_per_s=self._rows_per_s,
            batch_rows=self._batch_rows,
            largest_rows=self._largest_rows,
            fixed_s=self.times.fixed_s,
            row_s=self.times.row_s,
            told_apart=self.times.told_apart,
            margin=self._margin,
        )
        self.parameters = decide(load, self._bounds)

    def _move_margin(self, now: float, passed_s: float, target_s: float) -> None:
        if self._late and self.times.told_apart and now >= self._blameless_until:
            self._margin = max(LEAST_MARGIN, self._margin * LATE_FACTOR)
            self._blameless_until = now + target_s
        else:
            self._margin = min(1.0, self._margin + RECOVERY * passed_s / target_s)
        self._late = False
