"""The queue and its controller under load, by a turned clock: what is promised for any load, held against many."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
import pytest

from headrace.core.clock import ManualClock
from headrace.core.errors import ExhaustedError
from headrace.serving.batching.queue import BatchQueue
from headrace.serving.batching.tickets import Ticket
from headrace.serving.config import BatchingConfig

TARGET_MS = 50.0
FIXED_S = 0.002
ROW_S = 0.0002


def service_s(rows: int, at: float) -> float:
    return FIXED_S + ROW_S * rows


@dataclass
class Outcome:
    """What became of the requests of a simulation, in order of arrival."""

    arrived: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)  # NaN: refused
    batches: list[int] = field(default_factory=list)

    def p99_ms(self, begin=0.0, end=np.inf):
        return float(np.nanquantile(np.array(self.latency_s)[self.within(begin, end)], 0.99)) * 1e3

    def mean_ms(self):
        return float(np.nanmean(self.latency_s)) * 1e3

    def within(self, begin, end):
        arrived = np.array(self.arrived)
        return (arrived >= begin) & (arrived < end)

    def goodput(self, begin=0.0, end=np.inf):
        """Rows a second that were answered within the target."""
        arrived, latency_s = np.array(self.arrived), np.array(self.latency_s)
        good = self.within(begin, end) & (latency_s <= TARGET_MS / 1e3)
        return float(np.array(self.rows)[good].sum() / (min(end, arrived[-1]) - begin))

    def accepted_share(self):
        return float(np.isfinite(self.latency_s).mean())


def simulate(arrivals, *, service=service_s, noise=0.1, priorities=(0,), **changes) -> Outcome:
    """Serve (time, rows) in order of time by executors that take what the queue gives them.

    Args:
        arrivals: pairs of seconds and rows.
        service: seconds of a batch of so many rows that begins at a time.
        noise: spread of the logarithm of the service time.
        priorities: of the requests, in turn.
        changes: of the batching configuration.
    """
    rng = np.random.default_rng(7)
    clock = ManualClock()
    bounds = {"parallel_batches": 1, "target_ms": TARGET_MS, "max_batch_rows": 256, "max_queue_rows": 100_000}
    queue = BatchQueue("m@1", BatchingConfig(**(bounds | changes)), clock)
    outcome, numbers = Outcome(), {}
    events = [(at, 1, number, rows) for number, (at, rows) in enumerate(arrivals)]
    heapq.heapify(events)
    count = len(events)
    while events:
        at, kind, _, what = heapq.heappop(events)
        clock.elapsed_s = max(clock.elapsed_s, at)
        if kind == 1:
            priority = priorities[len(outcome.arrived) % len(priorities)]
            ticket = Ticket((np.empty((what, 0), np.float32),), priority=priority)
            outcome.arrived.append(at)
            outcome.rows.append(what)
            outcome.latency_s.append(np.nan)
            try:
                queue.submit(ticket)
            except ExhaustedError:
                continue
            numbers[ticket] = len(outcome.arrived) - 1
        elif kind == 0:
            queue.settle(what, [()] * len(what.tickets))
            for ticket in what.tickets:
                outcome.latency_s[numbers.pop(ticket)] = at - ticket.enqueued_at
        while True:
            batch, fires_at = queue.poll()
            if batch is None:
                break
            count += 1
            outcome.batches.append(batch.rows)
            seconds = service(batch.rows, clock.elapsed_s) * float(np.exp(rng.normal(0.0, noise)))
            heapq.heappush(events, (clock.elapsed_s + seconds, 0, count, batch))
        if fires_at is not None:
            count += 1
            heapq.heappush(events, (fires_at, 2, count, None))
    assert not numbers
    return outcome


def poisson(rows_per_s, seconds, *, rows=1, begin=0.0, seed=1):
    """Requests of so many rows that come independently of each other."""
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(rows / rows_per_s, int(1.2 * seconds * rows_per_s / rows) + 20)
    times = begin + np.cumsum(gaps)
    return [(float(at), rows) for at in times[times < begin + seconds]]


CAPACITY = 50 / (FIXED_S + 50 * ROW_S)  # rows/s in batches of 50, which take 12 ms


@pytest.fixture(scope="module")
def peak():
    """The best goodput of any load."""
    return max(simulate(poisson(load * CAPACITY, 3.0)).goodput(0.5) for load in (0.9, 1.0, 1.2))


@pytest.mark.parametrize("load", [0.1, 0.5, 0.8])
def test_a_load_that_can_be_carried_is_carried(load):
    outcome = simulate(poisson(load * CAPACITY, 3.0))
    assert outcome.accepted_share() > 0.999
    assert outcome.p99_ms() < TARGET_MS / 2


def test_without_company_a_request_takes_its_service_time():
    """At a tenth of the capacity the answer comes after the service time, and sometimes behind another."""
    outcome = simulate(poisson(0.02 * CAPACITY, 20.0), noise=0.0)
    assert np.nanmedian(outcome.latency_s) == pytest.approx(service_s(1, 0.0), rel=1e-6)


@pytest.mark.parametrize("load", [1.2, 2.0, pytest.param(5.0, marks=pytest.mark.slow)])
def test_under_overload_accepted_requests_meet_the_target_and_goodput_stays(load, peak):
    outcome = simulate(poisson(load * CAPACITY, 4.0))
    assert outcome.p99_ms(0.5) < TARGET_MS
    assert outcome.goodput(0.5) > 0.9 * peak


def test_requests_of_two_sizes_share_the_overload(peak):
    ones, many = poisson(CAPACITY, 4.0), poisson(CAPACITY, 4.0, rows=32, seed=5)
    outcome = simulate(sorted(ones + many))
    assert outcome.p99_ms(0.5) < TARGET_MS
    assert outcome.goodput(0.5) > 0.9 * peak
    large = np.array(outcome.rows) > 1
    accepted = np.isfinite(outcome.latency_s)
    assert accepted[large].mean() > 0.2


def test_requests_of_every_priority_meet_the_target_under_overload():
    outcome = simulate(poisson(2.0 * CAPACITY, 4.0), priorities=(1, 3, 3, 2))
    latency_s = np.array(outcome.latency_s)
    p99_ms = [np.nanquantile(latency_s[turn::4], 0.99) * 1e3 for turn in range(4)]
    assert max(p99_ms) < TARGET_MS
    assert p99_ms[0] < p99_ms[1]


@pytest.mark.parametrize("load", [0.6, 2.0])
def test_bursts_of_five_times_the_rate_between_them(load):
    arrivals = []
    for turn in range(10):
        begin = 0.4 * turn
        arrivals += poisson(2.5 * load * CAPACITY, 0.1, begin=begin, seed=turn)
        arrivals += poisson(0.5 * load * CAPACITY, 0.3, begin=begin + 0.1, seed=100 + turn)
    outcome = simulate(arrivals)
    assert outcome.p99_ms(0.5) < TARGET_MS
    assert outcome.goodput(0.5) > 0.8 * min(load, 1.0) * CAPACITY


@pytest.mark.parametrize("load", [0.8, 2.0])
def test_a_service_time_that_jumps_is_followed_within_half_a_second(load, peak):
    def jumping(rows, at):
        return service_s(rows, at) * (3.0 if 3.0 <= at < 6.0 else 1.0)

    outcome = simulate(poisson(load * CAPACITY, 9.0), service=jumping)
    assert outcome.p99_ms(3.5, 6.0) < TARGET_MS
    assert outcome.p99_ms(6.5, 9.0) < TARGET_MS
    assert outcome.goodput(6.5, 9.0) > 0.9 * min(load * CAPACITY, peak)


@pytest.mark.parametrize(
    ("service", "capacity"),
    [
        pytest.param(lambda rows, _: 0.010 + 0.0001 * rows, 4000, id="the fixed part is large"),
        pytest.param(lambda rows, _: 0.002 + 0.005 * rows, 160, id="few rows fit into the target"),
    ],
)
def test_other_models_meet_the_target_at_twice_their_capacity(service, capacity):
    outcome = simulate(poisson(2.0 * capacity, 6.0), service=service)
    assert outcome.p99_ms(0.5) < TARGET_MS
    assert outcome.goodput(0.5) > 0.9 * capacity


def test_two_executors_carry_twice_as_much(peak):
    outcome = simulate(poisson(4.0 * CAPACITY, 3.0), parallel_batches=2)
    assert outcome.p99_ms(0.5) < TARGET_MS
    assert outcome.goodput(0.5) > 1.8 * peak


def test_batches_that_stall_now_and_then_make_the_queue_shorter():
    """One batch of a hundred takes 20 ms longer: fewer are admitted, so that those behind it are in time."""
    stalls = np.random.default_rng(3)

    def stalling(rows, at):
        return service_s(rows, at) + (0.020 if stalls.random() < 0.01 else 0.0)

    outcome = simulate(poisson(2.0 * CAPACITY, 6.0), service=stalling)
    assert outcome.p99_ms(1.0) < TARGET_MS
    assert outcome.goodput(1.0) > 0.85 * CAPACITY


def test_an_adaptive_window_costs_no_latency_at_a_load_that_fixed_windows_slow_down():
    arrivals = poisson(0.5 * 2 * CAPACITY, 3.0)
    given = {"parallel_batches": 2, "target_ms": None, "window_us": 5000}
    adaptive = simulate(arrivals, **given)
    fixed = simulate(arrivals, adaptive=False, **given)
    assert adaptive.mean_ms() < 0.9 * fixed.mean_ms()
