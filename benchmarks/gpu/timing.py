"""Times of work on a device: the clock runs from nothing asked for to everything done."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from headrace_kernels.cuda import device


def seconds_once(run: Callable[[], object]) -> float:
    """Seconds of one run, waiting for the device before and after."""
    device.current().synchronize()
    started = time.perf_counter()
    run()
    device.current().synchronize()
    return time.perf_counter() - started


def seconds_median(run: Callable[[], object], rounds: int) -> float:
    """Median of several runs, after one that warms up."""
    run()
    return statistics.median(seconds_once(run) for _ in range(rounds))


def seconds_each(run: Callable[[], object], rounds: int) -> float:
    """Seconds a run, asked for one behind the other without waiting between, after one that warms up."""
    run()

    def several() -> None:
        for _ in range(rounds):
            run()

    return statistics.median(seconds_once(several) for _ in range(3)) / rounds
