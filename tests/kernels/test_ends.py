"""Ends of windows: first, last, values before it, differences, ratios and ages, equal to plain Python bit for bit."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import Statistic, StatisticRequest
from headrace_kernels.cpu import ends as cpu
from headrace_kernels.reference import ends as reference

EXAMPLES = 40
REQUESTS = [
    StatisticRequest(Statistic.FIRST, empty=-1.0),
    StatisticRequest(Statistic.LAST),
    StatisticRequest(Statistic.LAG, 0.0),
    StatisticRequest(Statistic.LAG, 2.0, empty=5.0),
    StatisticRequest(Statistic.DIFF),
    StatisticRequest(Statistic.RATIO),
    StatisticRequest(Statistic.SINCE_LAST, 3.0),
]


def compute(case, aggregate=cpu.aggregate_ends, requests=REQUESTS):
    return case.compute(aggregate, requests, lambda each: each.column())


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_compiled_equals_plain_python_bit_for_bit(data, frame_cases, assert_same_floats):
    case = data.draw(frame_cases())
    assert_same_floats(compute(case), compute(case, reference.aggregate_ends))


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data())
def test_the_age_of_the_last_event_needs_no_values(data, frame_cases, assert_same_floats):
    case, requests = data.draw(frame_cases()), [StatisticRequest(Statistic.SINCE_LAST, 7.0, empty=-2.0)]
    assert_same_floats(
        case.compute(cpu.aggregate_ends, requests, None), case.compute(reference.aggregate_ends, requests, None)
    )


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(data=st.data())
def test_a_window_alone_equals_the_window_in_a_long_series(data, frame_cases, assert_window_alone):
    assert_window_alone(data.draw(frame_cases()), compute)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_that_are_not_simultaneous_changes_no_bit(data, seed, frame_cases, assert_same_floats):
    case = data.draw(frame_cases().filter(lambda each: not each.has_ties))
    shuffled = case.take(np.random.default_rng(seed).permutation(len(case.codes)))
    assert_same_floats(compute(shuffled), compute(case))


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(data=st.data())
def test_first_and_last_equal_polars(data, frame_cases, assert_same_floats):
    """Oracle: filter, then Polars' own first and last of what is not null."""
    case = data.draw(frame_cases(integers=False))
    got = compute(case)
    for query in range(len(case.query_time)):
        alone = case.alone(query)
        held = alone.column()
        series = pl.Series(held.values)
        if held.valid is not None:
            series = series.filter(pl.Series(held.valid))
        if len(series) and not len(case.own):
            assert_same_floats(got[:2, query], np.array([series.first(), series.last()], dtype=np.float64))


@pytest.mark.parametrize("aggregate", [cpu.aggregate_ends, reference.aggregate_ends])
@pytest.mark.parametrize(
    ("newest", "before"), [(2**62 + 1, 2**62), (2**63 - 1, -(2**63)), (-(2**63), 2**63 - 1), (5, 5)]
)
def test_integers_are_subtracted_as_integers(aggregate, newest, before, one_key):
    """2**62 + 1 - 2**62 is 1, and the distance of the extremes is rounded once, not wrapped."""
    case = one_key([0, 1], [2], np.array([before, newest], dtype=np.int64))
    got = compute(case, aggregate, [StatisticRequest(Statistic.DIFF)])
    assert got[0, 0] == float(newest - before)
