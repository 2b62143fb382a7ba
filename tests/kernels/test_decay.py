"""Decayed statistics: one order of addition, the project's own power of two, and pandas beside them."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import Statistic, StatisticRequest
from headrace_kernels.cpu import decay as cpu
from headrace_kernels.reference import decay as reference

EXAMPLES = 40
KINDS = (Statistic.DECAYED_COUNT, Statistic.DECAYED_SUM, Statistic.DECAYED_MEAN)
REQUESTS = [StatisticRequest(kind, half_life, empty=-1.0) for half_life in (3.0, 0.005, 1e6) for kind in KINDS]


def compute(case, aggregate=cpu.aggregate_decayed, requests=REQUESTS):
    return case.compute(aggregate, requests, lambda each: each.column())


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_compiled_equals_plain_python_bit_for_bit(data, frame_cases, assert_same_floats):
    case = data.draw(frame_cases())
    assert_same_floats(compute(case), compute(case, reference.aggregate_decayed))


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data())
def test_the_decayed_count_of_all_events_needs_no_values(data, frame_cases, assert_same_floats):
    case, requests = data.draw(frame_cases()), [StatisticRequest(Statistic.DECAYED_COUNT, 3.0)]
    assert_same_floats(
        case.compute(cpu.aggregate_decayed, requests, None), case.compute(reference.aggregate_decayed, requests, None)
    )


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(data=st.data())
def test_a_window_alone_equals_the_window_in_a_long_series(data, frame_cases, assert_window_alone):
    assert_window_alone(data.draw(frame_cases()), compute)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_no_bit(data, seed, frame_cases, assert_same_floats):
    """Not even of simultaneous events, whose sum would have other bits in another order."""
    case = data.draw(frame_cases().filter(lambda each: not (each.has_ties and each.newest)))
    shuffled = case.take(np.random.default_rng(seed).permutation(len(case.codes)))
    assert_same_floats(compute(shuffled), compute(case))


@settings(max_examples=10 * EXAMPLES, deadline=None)
@given(
    x=st.floats(-1080, 0) | st.integers(-1080, 0).map(float) | st.floats(-1, 0) | st.sampled_from([-1074.0, -1022.5])
)
def test_the_power_of_two_is_within_its_bound(x):
    """Within 1.1 ulp of the exact power, and the same bits in both implementations; below 2**-1074 it is 0."""
    got = reference._exp2(x)
    with np.errstate(all="ignore"):
        assert cpu._exp2(x) == got
    with localcontext() as context:
        context.prec, context.Emin = 60, -2000
        exact = Fraction(Decimal(2) ** Decimal(x))
    if x < -1074:
        assert got == 0.0
    else:
        assert abs(Fraction(got) - exact) <= Fraction(math.ulp(float(exact))) * Fraction(11, 10)


@pytest.mark.parametrize(("x", "power"), [(0.0, 1.0), (-1.0, 0.5), (-1074.0, 5e-324), (1.0, 2.0), (1022.0, 2.0**1022)])
def test_whole_powers_are_exact(x, power):
    assert reference._exp2(x) == cpu._exp2(x) == power
    assert reference._exp2(1024.0) == cpu._exp2(1024.0) == math.inf


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    gaps=st.lists(st.integers(1, 10_000_000), min_size=30, max_size=30),
)
def test_the_mean_equals_pandas(values, gaps, one_key):
    """Pandas' ewm with times decays from step to step: n roundings of the weights, n of each sum."""
    time = np.cumsum(gaps[: len(values)])
    case = one_key(time, [time[-1] + 1], np.array(values))
    got = compute(case, requests=[StatisticRequest(Statistic.DECAYED_MEAN, 5e6)])[0, 0]
    moments = pd.to_datetime(time, unit="us")
    expected = pd.Series(values).ewm(halflife=pd.Timedelta(5, "s"), times=moments).mean().iloc[-1]
    tolerance = 4 * len(values) * 2.0**-52 * max(map(abs, values))
    assert math.isclose(got, expected, rel_tol=0.0, abs_tol=tolerance + 1e-300)


@settings(max_examples=EXAMPLES, deadline=None)
@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), half_life=st.sampled_from([1, 3, 10, 1000]))
def test_sums_are_near_the_exact_ones(values, half_life, one_key):
    n = len(values)
    case = one_key(np.arange(n), [n], np.array(values))
    requests = [StatisticRequest(kind, float(half_life)) for kind in KINDS[:2]]
    got = compute(case, requests=requests)[:, 0]
    with localcontext() as context:
        context.prec = 60
        weights = [Fraction(Decimal(2) ** (Decimal(age - n) / half_life)) for age in range(n)]
    products = [weight * Fraction(value) for weight, value in zip(weights, values, strict=True)]
    error = Fraction(n + 24, 2**52)  # n additions, the weights' own error at up to 30 half-lives
    assert abs(Fraction(float(got[0])) - sum(weights)) <= error * sum(weights)
    assert abs(Fraction(float(got[1])) - sum(products)) <= error * sum(map(abs, products)) + Fraction(1, 2**1000)


def test_simultaneous_events_are_added_from_the_smallest_value(one_key):
    """1e16 + 1 + 1 depends on the order, -1e16 + 1 + 1 + 1e16 even more so."""
    requests = [StatisticRequest(Statistic.DECAYED_SUM, 1.0)]
    for values in ([1e16, 1.0, 1.0], [1.0, 1e16, 1.0], [1.0, 1.0, 1e16]):
        assert compute(one_key([0, 0, 0], [1], np.array(values)), requests=requests)[0, 0] == 0.5 * (1e16 + 2)


def test_a_mean_whose_weights_are_all_zero_is_empty(one_key):
    case = one_key([0], [2000], np.array([7.0]))
    assert compute(case, requests=[StatisticRequest(kind, 1.0, empty=-1.0) for kind in KINDS])[:, 0].tolist() == [
        0.0, 0.0, -1.0,
    ]  # fmt: skip
