"""What is asked of every server, and what came of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from peers.installation import Place
from peers.servers import Running, Server

from headrace.client import ModelDescription, TensorSpec
from headrace.client.raw import call_raw
from headrace.core.errors import HeadraceError
from headrace.load import Content, Endpoint, LoadPlan, LoadResult, run_load
from headrace.load.bodies import Bodies, prepare_bodies
from headrace.wire.methods import METHODS

INFER = METHODS["ModelInfer"].path


@dataclass(frozen=True)
class Case:
    """A closed loop: so many connections with so many requests in flight each, so many rows a request."""

    name: str
    connections: int
    streams: int
    rows: int = 1

    @property
    def in_flight(self) -> int:
        """Requests in flight altogether."""
        return self.connections * self.streams


LONE = Case("one at a time", 1, 1)
BUSY = Case("64 in flight", 8, 8)
CROWDED = Case("256 in flight", 8, 32)
WIDE = Case("64 rows, 64 in flight", 8, 8, 64)
CASES = (LONE, BUSY, CROWDED, WIDE)


@dataclass(frozen=True)
class Figure:
    """One run.

    Attributes:
        rate: answers a second.
        p50_us: microseconds of the middle answer.
        p99_us: microseconds that one in a hundred takes longer than.
        server_cpu_us: CPU that the server's processes took for a request, microseconds.
        generator_cpu: share of its CPU that the generator used.
        generator_delayed: share of the time that it waited for it.
    """

    rate: float
    p50_us: float
    p99_us: float
    server_cpu_us: float
    generator_cpu: float
    generator_delayed: float


Figures = dict[str, dict[str, list[Figure]]]
"""By server and case, one a round."""


def make_bodies(place: Place, server: Server, rows: int) -> Bodies:
    """Requests from the rows that were kept, with LightGBM's answers where the server computes any."""
    checked = bool(server.datatype)
    content = Content("forest", rows=rows, data=place.rows, expected=place.scores if checked else None)
    features = TensorSpec("features", "FP32", (-1, np.load(place.rows, mmap_mode="r").shape[1]))
    scores = TensorSpec("score", server.datatype or "FP32", (-1, 1))
    return prepare_bodies(content, ModelDescription("forest", (), "", (features,), (scores,)), seed=1)


def answers(bodies: Bodies) -> Callable[[str], bool]:
    """Whether a server answers a request."""

    def ready(address: str) -> bool:
        try:
            call_raw(Endpoint(address), INFER, bodies.framed[0][5:], timeout_s=2.0)
        except HeadraceError:
            return False
        return True

    return ready


def run_case(server: Running, case: Case, bodies: Bodies, seconds: float) -> Figure:
    """Load a server with one case.

    Raises:
        AssertionError: a request failed, or an answer is not LightGBM's.
    """
    plan = LoadPlan(
        Endpoint(server.address),
        Content("forest", rows=case.rows),
        in_flight=case.in_flight,
        connections=case.connections,
        warmup_s=seconds / 4,
        duration_s=seconds,
    )
    before = server.cpu_s()
    result = run_load(plan, bodies=bodies)
    must_be_right(result, checked=bool(bodies.expected))
    answered = sum(interval.answers[0] for interval in result.observed.intervals)
    latency, effort = result.ok.response, result.observed.effort
    return Figure(
        rate=result.rate,
        p50_us=latency.p50_ms * 1e3,
        p99_us=latency.p99_ms * 1e3,
        server_cpu_us=(server.cpu_s() - before) / answered * 1e6,
        generator_cpu=effort.cpu_share,
        generator_delayed=effort.delayed_share,
    )


def must_be_right(result: LoadResult, *, checked: bool) -> None:
    """Refuse figures of a server that answers wrong, or not at all, or unchecked.

    Raises:
        AssertionError: a request failed, or an answer is not LightGBM's.
    """
    if not result.errors and not result.ok.answers:
        raise AssertionError("no answer came while it was measured: is the machine busy with something else?")
    check = result.observed.check
    if result.errors or check.mismatches or (checked and check.checked < result.ok.answers):
        raise AssertionError(
            f"{result.errors} requests failed, {check.mismatches} of {check.checked} answers are wrong (largest "
            f"difference {check.worst_difference}): {result.observed.messages[:3]}"
        )


def ratio(figures: Figures, case: Case, own: str, other: str, quantity: str = "rate") -> float:
    """Median over rounds of own / other within a round."""
    pairs = zip(figures[own][case.name], figures[other][case.name], strict=False)
    return statistics.median(getattr(mine, quantity) / getattr(theirs, quantity) for mine, theirs in pairs)


def table(figures: Mapping[str, Mapping[str, Sequence[Figure]]], cases: Sequence[Case]) -> str:
    """Medians over the rounds: a line a server."""
    head = "".join(f"{case.name + (', p50 / p99' if case is LONE else ''):>26}" for case in cases)
    lines = [f"{'':<20}{head}"]
    for server, by_case in figures.items():
        cells = "".join(f"{_cell(case, by_case[case.name]):>26}" for case in cases)
        lines.append(f"{server:<20}{cells}")
    return "\n".join(lines)


def cpu_table(figures: Mapping[str, Mapping[str, Sequence[Figure]]], cases: Sequence[Case]) -> str:
    """The server's CPU a request, medians; it means something even where others were busy on the machine."""
    lines = [f"{'server CPU a request':<20}{''.join(f'{case.name:>26}' for case in cases)}"]
    for server, by_case in figures.items():
        costs = (_median(by_case[case.name], "server_cpu_us") for case in cases)
        cells = "".join(f"{cost:>23,.1f} us" for cost in costs)
        lines.append(f"{server:<20}{cells}")
    return "\n".join(lines)


def _cell(case: Case, found: Sequence[Figure]) -> str:
    if case is LONE:
        return f"{_median(found, 'p50_us'):,.0f} / {_median(found, 'p99_us'):,.0f} us"
    return f"{_median(found, 'rate'):,.0f}/s"


def _median(found: Sequence[Figure], quantity: str) -> float:
    return statistics.median(getattr(figure, quantity) for figure in found)
