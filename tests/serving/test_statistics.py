"""Counts of what a version did, merged and carried between processes."""

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.serving.telemetry.statistics import (
    LATENCY_BOUNDS_S,
    PHASES,
    BatchTimes,
    Histogram,
    Totals,
    VersionStatistics,
)

MICRO = 1e-6

events = st.lists(
    st.one_of(
        st.tuples(st.just("request"), st.sampled_from(["OK", "CANCELLED"]), st.integers(0, 10**8)),
        st.tuples(st.just("dropped"), st.sampled_from(["queue_full", "over_target"]), st.just(0)),
        st.tuples(st.just("cache"), st.booleans(), st.integers(0, 1000)),
        st.tuples(st.just("batch"), st.integers(1, 5), st.integers(0, 10**6)),
        st.tuples(st.just("failed"), st.none(), st.just(0)),
    ),
    max_size=30,
)


def count(*parts) -> Totals:
    """Totals of one counter that saw all events; durations are whole microseconds."""
    statistics = VersionStatistics()
    for kind, what, micros in (event for part in parts for event in part):
        if kind == "request":
            statistics.request_ended(what, micros * MICRO)
        elif kind == "dropped":
            statistics.request_dropped(what)
        elif kind == "cache":
            statistics.cache_looked_up(micros * MICRO, hit=what)
        elif kind == "failed":
            statistics.batch_failed()
        else:
            times = BatchTimes([micros * MICRO] * what, MICRO, micros * MICRO, MICRO)
            statistics.batch_ran(what, times)
    return statistics.totals()


def plain(totals: Totals) -> dict:
    """Everything but the wall time, sums rounded: they are added in another order."""
    content = totals.to_dict()
    del content["last_inference_ms"]
    content["histograms"] = {name: [counts, round(total, 9)] for name, (counts, total) in content["histograms"].items()}
    content["by_batch_rows"] = {
        rows: [round(part, 9) for part in parts] for rows, parts in sorted(content["by_batch_rows"].items())
    }
    return content


@given(events, events)
def test_merged_totals_are_those_of_one_counter_that_saw_everything(one, other):
    merged = count(one).merge(count(other))
    assert plain(merged) == plain(count(one, other))
    assert plain(merged.merge(Totals())) == plain(merged)


@given(events)
def test_totals_survive_json(seen):
    totals = count(seen)
    again = Totals.from_dict(json.loads(json.dumps(totals.to_dict())))
    assert again.to_dict() == totals.to_dict()
    assert {phase: histogram.count for phase, histogram in again.phases.items()} == {
        phase: histogram.count for phase, histogram in totals.phases.items()
    }


def test_the_last_batch_of_the_two_is_the_last():
    assert Totals(last_inference_ms=5).merge(Totals(last_inference_ms=3)).last_inference_ms == 5


def test_totals_hold_those_of_every_feed():
    class Lane:
        def totals(self):
            return Totals(rows=7, requests={"OK": 2})

        def load(self):
            return 0, 0

    statistics = VersionStatistics()
    statistics.request_ended("OK", 0.1)
    statistics.feeds.append(Lane())
    assert statistics.totals().rows == 7
    assert statistics.totals().requests == {"OK": 3}


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 0), (0.00001, 0), (0.000011, 1), (10.0, 18), (11.0, 19)])
def test_a_value_counts_at_the_first_bound_that_is_not_below_it(value, bucket):
    histogram = Histogram(LATENCY_BOUNDS_S)
    histogram.observe(value)
    assert histogram.counts.index(1) == bucket
    assert histogram.count == 1


def test_every_phase_is_counted_and_queue_once_a_request():
    totals = count([("batch", 3, 10)])
    assert {phase: totals.phases[phase].count for phase in PHASES} == {
        "queue": 3,
        "assemble": 1,
        "infer": 1,
        "split": 1,
    }
    assert totals.by_batch_rows[3] == (1, MICRO, 10 * MICRO, MICRO)


@pytest.mark.slow
def test_a_lone_request_is_counted_in_some_microseconds():
    """Measured at 1.4 us for a request and its batch; the bound leaves room for a slow machine."""
    statistics = VersionStatistics()
    rounds = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(500):
            statistics.batch_ran(1, BatchTimes([MICRO], MICRO, MICRO, MICRO))
            statistics.request_ended("OK", MICRO)
        rounds.append((time.perf_counter() - start) / 500)
    assert np.median(rounds) < 20e-6
