"""Twice as much as the server can do, and deadlines that it cannot keep: what it does then."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from peers.cases import Case, answers, make_bodies, run_case
from peers.installation import Place
from peers.servers import headrace, running

from headrace.load import Content, Endpoint, LoadPlan, LoadResult, Stage, run_load
from headrace.load.bodies import Bodies
from headrace.load.observations import Interval

TARGET_MS = 20.0
ROUNDS = 6
_QUIET_S = 3.0  # before and after, or as long as the overload where that is shorter
_MOST_IN_FLIGHT = 16_384


@dataclass(frozen=True)
class Overload:
    """Twice the peak for a while, half of it before and after; what came of it in one round, or in all of them.

    Attributes:
        rows: in one request. With one row the front door is most of the work, and refusing costs nearly as much as
            answering; with 64 the model is.
        peak: requests a second in a closed loop, 256 in flight, before the overload.
        offered: requests a second that the generator sent of twice the peak.
        goodput: OK answers a second meanwhile.
        share: goodput / peak.
        p99_ms: of the accepted ones, from when they were due.
        refused: RESOURCE_EXHAUSTED answers.
        refused_p99_ms: until the refusal, from when the request was sent.
        refused_max_ms: the slowest refusal.
        other_errors: answers with any other status, and requests without an answer.
        recovery_s: after the overload, until nothing is refused and the p99 is within the target again.
        lag_p99_ms: how late the generator was; it is in `p99_ms`.
    """

    rows: int
    peak: float
    offered: float
    goodput: float
    share: float
    p99_ms: float
    refused: int
    refused_p99_ms: float
    refused_max_ms: float
    other_errors: int
    recovery_s: float
    lag_p99_ms: float


@dataclass(frozen=True)
class Deadlines:
    """How late DEADLINE_EXCEEDED comes, milliseconds after the deadline, from when requests were sent."""

    timeout_ms: float
    answered: int
    expired: int
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float


def measure_overload(place: Place, door: str, rows: int, seconds: float, rounds: int = ROUNDS) -> Overload:
    """Overload one of our transports for so many seconds with requests of so many rows.

    The machine's speed changes from one minute to the next: peak and overload alternate, and each round's goodput is
    compared with its own peak. Rates, shares and percentiles are medians over rounds, counts are sums, and what is
    called the most or took the longest is the worst of all.
    """
    limited = headrace(door, target_ms=TARGET_MS)
    bodies = make_bodies(place, limited, rows)
    each_s = seconds / rounds
    found = []
    with running(headrace(door), place, answers(bodies)) as free, running(limited, place, answers(bodies)) as bound:
        for _ in range(rounds):
            peak = run_case(free, Case("peak", 8, 32, rows), bodies, max(1.0, each_s / 4)).rate
            result = run_load(_overload_plan(bound.address, rows, peak, each_s), bodies=bodies)
            found.append(_judge(result, peak, each_s))
    return _together(found)


def _together(found: list[Overload]) -> Overload:
    def over(how: Callable[[list[float]], float], quantity: str) -> float:
        return how([getattr(one, quantity) for one in found])

    usual = ("peak", "offered", "goodput", "share", "p99_ms", "refused_p99_ms", "lag_p99_ms")
    return Overload(
        rows=found[0].rows,
        refused=sum(one.refused for one in found),
        other_errors=sum(one.other_errors for one in found),
        refused_max_ms=over(max, "refused_max_ms"),
        recovery_s=over(max, "recovery_s"),
        **{quantity: over(statistics.median, quantity) for quantity in usual},
    )


def _overload_plan(address: str, rows: int, peak: float, seconds: float) -> LoadPlan:
    quiet = min(_QUIET_S, seconds)
    stages = [(quiet, peak / 2), (seconds, peak * 2), (quiet, peak / 2)]
    return LoadPlan(
        Endpoint(address),
        Content("forest", rows=rows),
        stages=tuple(Stage(length, rate, rate) for length, rate in stages),
        in_flight=_MOST_IN_FLIGHT,
        connections=32,
        warmup_s=quiet,
        duration_s=seconds + quiet,
    )


def _judge(result: LoadResult, peak: float, seconds: float) -> Overload:
    length = result.plan.interval_s
    first, last = round(result.plan.warmup_s / length), round((result.plan.warmup_s + seconds) / length)
    loaded = Interval.merged(result.observed.intervals[first:last])
    refused = result.statuses.get("RESOURCE_EXHAUSTED")
    others = sum(status.answers for name, status in result.statuses.items() if name not in {"OK", "RESOURCE_EXHAUSTED"})
    goodput = loaded.answers[0] / seconds
    return Overload(
        rows=result.plan.content.rows,
        peak=peak,
        offered=loaded.sent / seconds,
        goodput=goodput,
        share=goodput / peak,
        p99_ms=loaded.latencies.quantile_ns(0.99) / 1e6,
        refused=refused.answers if refused else 0,
        refused_p99_ms=refused.service.p99_ms if refused else 0.0,
        refused_max_ms=refused.service.max_ms if refused else 0.0,
        other_errors=others + result.observed.unanswered,
        recovery_s=_recovery_s(result.observed.intervals[last:], length),
        lag_p99_ms=result.observed.effort.lag.quantile_ns(0.99) / 1e6,
    )


def _recovery_s(after: tuple[Interval, ...], length: float) -> float:
    bad = [
        number
        for number, interval in enumerate(after)
        if sum(interval.answers[1:]) or interval.latencies.quantile_ns(0.99) / 1e6 > TARGET_MS
    ]
    return (bad[-1] + 1) * length if bad else 0.0


def measure_deadlines(place: Place, door: str, seconds: float) -> Deadlines:
    """Give requests half the time that the middle one takes, with 1,024 in flight."""
    server = headrace(door)
    bodies = make_bodies(place, server, 1)
    with running(server, place, answers(bodies)) as started:
        usual = run_load(_crowd(started.address, 0.0, seconds / 3), bodies=bodies).ok.service.p50_ms
        timeout_ms = round(max(2.0, usual / 2), 1)
        result = run_load(_crowd(started.address, timeout_ms, seconds), bodies=bodies)
    expired = result.statuses.get("DEADLINE_EXCEEDED")
    if expired is None:
        return Deadlines(timeout_ms, result.ok.answers, 0, 0.0, 0.0, 0.0)
    late = (value - timeout_ms for value in (expired.service.p50_ms, expired.service.p99_ms, expired.service.max_ms))
    return Deadlines(timeout_ms, result.ok.answers, expired.answers, *late)


def _crowd(address: str, timeout_ms: float, seconds: float) -> LoadPlan:
    return LoadPlan(
        Endpoint(address),
        Content("forest"),
        in_flight=1024,
        connections=8,
        warmup_s=seconds / 4,
        duration_s=seconds,
        timeout_ms=timeout_ms,
    )


__all__ = ["TARGET_MS", "Bodies", "Deadlines", "Overload", "measure_deadlines", "measure_overload"]
