"""What a run saw, before anybody judges it: the same from the native generator and from the portable one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from headrace.load.histogram import Histogram

STATUS_NAMES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
"""gRPC's statuses by number."""


@dataclass(frozen=True)
class Outcome:
    """Answers of one status.

    Attributes:
        answers: to measured requests (due after the warm-up).
        in_window: that came between the warm-up and the end, whenever they were due.
        response: times from when requests were due.
        service: times from when they were sent.
    """

    answers: int
    in_window: int
    response: Histogram
    service: Histogram


@dataclass(frozen=True)
class Interval:
    """A piece of the run's time, by when answers came.

    Attributes:
        answers: by status number.
        sent: requests.
        in_flight: at its end.
        latencies: of OK answers, from when they were due.
    """

    answers: tuple[int, ...]
    sent: int
    in_flight: int
    latencies: Histogram

    @classmethod
    def merged(cls, parts: Iterable[Interval]) -> Interval:
        """One longer piece of several that follow each other; at least one."""
        found = list(parts)
        answers = tuple(int(count) for count in np.sum([part.answers for part in found], axis=0))
        latencies = Histogram.merged(part.latencies for part in found)
        return cls(answers, sum(part.sent for part in found), found[-1].in_flight, latencies)


@dataclass(frozen=True)
class Check:
    """Answers that were compared with the right ones.

    Attributes:
        checked: OK answers.
        mismatches: of them.
        worst_difference: of two floats.
        first_mismatch: number of a request that was answered wrong; -1: none was.
    """

    checked: int = 0
    mismatches: int = 0
    worst_difference: float = 0.0
    first_mismatch: int = -1


@dataclass(frozen=True)
class Effort:
    """What the generator took from its CPU.

    Attributes:
        cpu_share: busy time of the busiest thread; its last microseconds before a request is due are spent spinning.
        delayed_share: time that a thread could have run, and had to wait for a CPU.
        lag: between the time a request could have been sent and the time it was.
    """

    cpu_share: float
    delayed_share: float
    lag: Histogram


@dataclass(frozen=True)
class Observations:
    """A run, uncommented.

    Attributes:
        engine: `native`, or `grpcio` for the portable generator.
        window_s: seconds between the warm-up and the end.
        outcomes: by status number.
        messages: (status, what the server said, how often), the first few distinct ones.
        intervals: over time, from the start of the run.
        unanswered: requests without an answer when the run was given up.
        unsent: requests that were due and never sent, since everything allowed was in flight.
        reconnects: attempts to open a connection again that was lost or told to go.
        check: answers compared with the right ones.
        effort: of the generator.
        samples: int64[n, 4]: due (from the start), response, service (nanoseconds) and status of single requests.
    """

    engine: str
    window_s: float
    outcomes: dict[int, Outcome]
    messages: tuple[tuple[int, str, int], ...]
    intervals: tuple[Interval, ...]
    unanswered: int
    unsent: int
    reconnects: int
    check: Check
    effort: Effort
    samples: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4), np.int64), repr=False)
