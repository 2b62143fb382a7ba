"""What a run of the load generator is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headrace.client.raw import Endpoint
from headrace.core.errors import InvalidInputError
from headrace.load.schedule import Stage

MAX_IN_FLIGHT = 65_536


@dataclass(frozen=True)
class Content:
    """What requests say.

    Attributes:
        model: name of the model.
        version: empty: the server chooses.
        rows: rows in one request.
        data: rows to send: .npy, .parquet, .arrow or .csv, one column a feature; None: random ones.
        nan_share: share of random values that are missing.
        bodies: distinct requests, sent in turn; fewer where they would take more than 64 MiB.
        inputs: tensors as `NAME:DATATYPE:EXTENT[,EXTENT]` without the rows; empty: what the server's metadata says.
        output: the one output to ask for; empty: all.
        expected: .npy file of the right answers to `data`, row by row, for the (first) output.
        tolerance: largest difference of a float from what is expected.
        priority: request parameter `priority`; 0: none.
    """

    model: str
    version: str = ""
    rows: int = 1
    data: Path | None = None
    nan_share: float = 0.05
    bodies: int = 4096
    inputs: tuple[str, ...] = ()
    output: str = ""
    expected: Path | None = None
    tolerance: float = 2e-6
    priority: int = 0

    def __post_init__(self) -> None:
        if self.rows < 1 or self.bodies < 1:
            raise InvalidInputError(f"rows is {self.rows} and bodies is {self.bodies}; both must be at least 1")
        if not 0 <= self.nan_share < 1:
            raise InvalidInputError(f"nan_share is {self.nan_share:g}; allowed: 0 to below 1")
        if self.expected is not None and self.data is None:
            raise InvalidInputError("answers are to be checked, but random rows have no right answers", hint="--data")


@dataclass(frozen=True)
class LoadPlan:
    """One run: open loop where it has stages, else closed loop.

    Attributes:
        endpoint: the server.
        content: what requests say.
        stages: rates over time, warm-up included; empty: closed loop.
        poisson: arrivals are random (Poisson) instead of evenly spaced.
        in_flight: closed loop: requests in flight all the time; open loop: at most.
        connections: HTTP/2 connections that share the requests.
        threads: threads of the generator (processes, without the native one).
        warmup_s: seconds at the beginning that are not measured.
        duration_s: seconds that are measured.
        requests: ends the run after so many requests, warm-up included; 0: only time ends it.
        timeout_ms: deadline that goes with each request; 0: none.
        drain_s: how long answers are waited for after the end.
        interval_s: resolution of the series over time.
        seed: of rows, their order and random arrivals.
        samples: single requests whose times are kept.
    """

    endpoint: Endpoint
    content: Content
    stages: tuple[Stage, ...] = ()
    poisson: bool = False
    in_flight: int = 64
    connections: int = 8
    threads: int = 1
    warmup_s: float = 1.0
    duration_s: float = 10.0
    requests: int = 0
    timeout_ms: float = 0.0
    drain_s: float = 5.0
    interval_s: float = 0.1
    seed: int = 7
    samples: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        for name, low, high in (
            ("in_flight", 1, MAX_IN_FLIGHT),
            ("connections", 1, 4096),
            ("threads", 1, 64),
            ("requests", 0, 2**62),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidInputError(f"{name} is {value}; allowed: {low} to {high}")
        for name in ("warmup_s", "timeout_ms", "drain_s"):
            if getattr(self, name) < 0:
                raise InvalidInputError(f"{name} is {getattr(self, name):g}; it must be at least 0")
        if self.duration_s <= 0 or self.interval_s <= 0:
            raise InvalidInputError(f"duration_s is {self.duration_s:g}, interval_s {self.interval_s:g}; both above 0")
        if self.connections > self.in_flight:
            object.__setattr__(self, "connections", self.in_flight)
        if self.threads > self.connections:
            raise InvalidInputError(f"threads is {self.threads}, but there are {self.connections} connections to share")

    @property
    def open_loop(self) -> bool:
        """Whether requests come by a schedule."""
        return bool(self.stages)

    @property
    def streams(self) -> int:
        """Requests that one connection may have in flight."""
        return -(-self.in_flight // self.connections)

    @property
    def offered_rate(self) -> float:
        """Requests a second that are due while it is measured; NaN in a closed loop."""
        return float(self.rate_at(np.linspace(self.warmup_s, self.warmup_s + self.duration_s, 1000)).mean())

    def rate_at(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Requests a second that are due at each time: float64[n], NaN in a closed loop."""
        if not self.stages:
            return np.full(len(seconds), np.nan)
        ends = np.cumsum([stage.seconds for stage in self.stages])
        times = np.column_stack([ends - [stage.seconds for stage in self.stages], ends - 1e-9]).ravel()
        rates = np.array([[stage.from_rate, stage.to_rate] for stage in self.stages]).ravel()
        found: npt.NDArray[np.float64] = np.interp(seconds, times, rates)
        return found


def steady(rate: float, *, warmup_s: float, duration_s: float) -> tuple[Stage, ...]:
    """One rate for a whole run, warm-up included."""
    return (Stage(warmup_s + duration_s, rate, rate),)


def parse_stages(text: str, *, start: float = 0.0) -> tuple[Stage, ...]:
    """Read `10s:5000,60s:20000,5s:0`: go to a rate within a time; a time of `0s` jumps there.

    Args:
        text: what a user wrote.
        start: the rate at the beginning.

    Raises:
        InvalidInputError: it is not that.
    """
    stages: list[Stage] = []
    rate = start
    for part in text.split(","):
        time, _, wanted = part.strip().partition(":")
        try:
            seconds, target = float(time.removesuffix("s")), float(wanted)
        except ValueError:
            raise InvalidInputError(
                f"the stage '{part}' is not a time and a rate", hint="--stages 10s:5000,60s:5000,10s:0"
            ) from None
        if seconds > 0:
            stages.append(Stage(seconds, rate, target))
        rate = target
    if not stages:
        raise InvalidInputError(f"'{text}' has no stage that lasts", hint="--stages 10s:5000,60s:5000")
    return tuple(stages)
