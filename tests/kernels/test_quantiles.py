"""Quantiles of windows: the compiled tree equals sorted lists bit for bit, and both equal NumPy and pandas."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import Statistic, StatisticRequest
from headrace_kernels.cpu import quantiles as cpu
from headrace_kernels.reference import quantiles as reference

EXAMPLES = 40
PROBABILITIES = (0.0, 0.1, 0.25, 0.5, 2.0 / 3.0, 0.999, 1.0)
REQUESTS = [StatisticRequest(Statistic.QUANTILE, p, empty=-1.0) for p in PROBABILITIES]


def compute(case, aggregate=cpu.aggregate_quantiles, requests=REQUESTS):
    return case.compute(aggregate, requests, lambda each: each.column())


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_compiled_equals_plain_python_bit_for_bit(data, frame_cases, assert_same_floats):
    case = data.draw(frame_cases())
    assert_same_floats(compute(case), compute(case, reference.aggregate_quantiles))


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(data=st.data())
def test_a_window_alone_equals_the_window_in_a_long_series(data, frame_cases, assert_window_alone):
    assert_window_alone(data.draw(frame_cases()), compute)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_no_bit(data, seed, frame_cases, assert_same_floats):
    case = data.draw(frame_cases().filter(lambda each: not (each.has_ties and each.newest)))
    shuffled = case.take(np.random.default_rng(seed).permutation(len(case.codes)))
    assert_same_floats(compute(shuffled), compute(case))


@settings(max_examples=2 * EXAMPLES, deadline=None)
@given(
    values=st.lists(st.floats(-1e150, 1e150) | st.sampled_from([0.0, -0.0, 1e-310, 1.0]), min_size=1, max_size=40),
    probability=st.floats(0.0, 1.0),
)
def test_finite_quantiles_are_those_of_numpy_bit_for_bit(values, probability, one_key, assert_same_floats):
    case = one_key(np.arange(len(values)), [len(values)], np.array(values))
    got = compute(case, cpu.aggregate_quantiles, [StatisticRequest(Statistic.QUANTILE, probability)])
    expected = np.quantile(np.array(values) + 0.0, probability, method="linear")
    assert_same_floats(got, np.array([[expected + 0.0]]))


def test_infinite_values_are_ranked_and_equal_neighbours_are_the_answer(one_key):
    def median(*values):
        case = one_key(np.arange(len(values)), [len(values)], np.array(values))
        answers = [compute(case, each)[3, 0] for each in (cpu.aggregate_quantiles, reference.aggregate_quantiles)]
        assert answers[0] == answers[1] or math.isnan(answers[0])
        return answers[0]

    inf = math.inf
    assert median(1.0, inf, -inf) == 1.0
    assert median(inf, inf, 1.0, 2.0) == inf
    assert median(inf, inf) == inf
    assert math.isnan(median(inf, -inf))
    assert median(1.75e308, -1.75e308) == 0.0


@pytest.mark.parametrize(("n_events", "width"), [(33, 7), (1025, 40), (5000, 3000), (20_000, 15_000)])
def test_long_windows_equal_pandas(n_events, width, one_key):
    """Trees of two to four levels; pandas interpolates with one rounding more."""
    random = np.random.default_rng(n_events)
    values = random.normal(size=n_events).round(2)
    time = np.arange(n_events)
    queries = np.unique(random.integers(0, n_events, 12))
    case = one_key(time, queries, values, width=width)
    got = compute(case)
    windows = pd.Series(values).rolling(width, min_periods=1, closed="left")
    for row, probability in enumerate(PROBABILITIES):
        expected = windows.quantile(probability).to_numpy()[queries]
        np.testing.assert_allclose(got[row], np.where(np.isnan(expected), -1.0, expected), rtol=1e-15, atol=1e-15)
