"""Covariance, correlation and slopes of windows: exact sums, so equal to plain Python integers bit for bit."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import ExactRangeError, Statistic, StatisticRequest, ValueColumn
from headrace_kernels.cpu import pairs as cpu
from headrace_kernels.reference import pairs as reference

EXAMPLES = 40
REQUESTS = [
    StatisticRequest(Statistic.COV),
    StatisticRequest(Statistic.CORR, empty=-7.0),
    StatisticRequest(Statistic.SLOPE),
]
TREND = [StatisticRequest(Statistic.TREND, empty=-3.0)]
BOTH = [cpu.aggregate_pairs, reference.aggregate_pairs]


def compute(case, aggregate=cpu.aggregate_pairs):
    pairs = case.compute(aggregate, REQUESTS, lambda each: each.column(0), lambda each: each.column(1))
    trend = case.compute(aggregate, TREND, lambda each: each.column(0), None)
    return np.concatenate([pairs, trend])


def draw_computable(data, frame_cases):
    """A case the compiled kernel does not refuse; refusing is right, and tested by itself."""

    def fits(case):
        try:
            compute(case)
        except ExactRangeError:
            return False
        return True

    return data.draw(frame_cases(special=data.draw(st.booleans()), bits=(0, -3, 4)).filter(fits))


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_compiled_equals_plain_python_bit_for_bit(data, frame_cases, assert_same_floats):
    case = draw_computable(data, frame_cases)
    got = compute(case)
    assert_same_floats(got, compute(case, reference.aggregate_pairs))
    assert (np.isnan(got[1]) | (got[1] == -7.0) | (np.abs(got[1]) <= 1.0)).all()


@pytest.mark.parametrize("aggregate", BOTH)
@pytest.mark.parametrize("turned", [False, True])
def test_what_stands_beside_a_nan_may_be_beyond_the_exact_range(aggregate, turned, one_key):
    """Such a pair makes the window NaN and is not rounded to the resolution; beside a number it is an error."""
    sides = [np.array([1.0, np.nan, 2.0]), np.array([1.0, 1.7e308, 5.0])]
    case = one_key([0, 1, 2], [3], *(reversed(sides) if turned else sides))
    columns = (lambda each: each.column(0), lambda each: each.column(1))
    assert np.isnan(case.compute(aggregate, REQUESTS, *columns)).all()
    sides[0][1] = 0.0
    case = one_key([0, 1, 2], [3], *(reversed(sides) if turned else sides))
    with pytest.raises(ExactRangeError, match="does not fit 64 bits"):
        case.compute(aggregate, REQUESTS, *columns)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(data=st.data())
def test_a_window_alone_equals_the_window_in_a_long_series(data, frame_cases, assert_window_alone):
    assert_window_alone(draw_computable(data, frame_cases), compute)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_no_bit(data, seed, frame_cases, assert_same_floats):
    case = draw_computable(data, frame_cases)
    if not (case.has_ties and case.newest):
        shuffled = case.take(np.random.default_rng(seed).permutation(len(case.codes)))
        assert_same_floats(compute(shuffled), compute(case))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(-(2**57), 2**57), st.integers(-(2**57), 2**57)), min_size=2, max_size=20),
    offset=st.integers(-(2**61), 2**61),
)
def test_numerators_are_exact_whatever_the_offset(pairs, offset, one_key, assert_same_floats):
    """Against fractions: within four roundings, where two-pass float64 loses all digits; shifting changes no bit."""
    left, right = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    n, time = len(pairs), np.arange(len(pairs))
    got = compute(one_key(time, [n], left, right))[:3]
    assert_same_floats(compute(one_key(time, [n], left + offset, right - offset))[:3], got)
    exact = [[Fraction(int(value)) for value in side] for side in (left, right)]
    centred = [[value - sum(side) / n for value in side] for side in exact]
    both, lefts, rights = (
        sum(a * b for a, b in zip(x, y, strict=True))
        for x, y in (centred, (centred[0], centred[0]), (centred[1], centred[1]))
    )
    assert math.isclose(got[0, 0], float(both / (n - 1)), rel_tol=1e-15)
    if rights:
        assert math.isclose(got[2, 0], float(both / rights), rel_tol=1e-15)
        if lefts:
            assert math.isclose(got[1, 0], float(both) / math.sqrt(lefts * rights), rel_tol=1e-15, abs_tol=1e-300)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)), min_size=3, max_size=30),
)
def test_ordinary_pairs_equal_numpy_and_scipy(pairs, one_key):
    """Floats in steps of 1/8, whose covariance NumPy gets nearly right too."""
    left, right = (np.array(side) / 8 for side in zip(*pairs, strict=True))
    n = len(pairs)
    case = one_key(np.arange(n) * 500_000, [n * 500_000], left, right)
    case = dataclasses.replace(case, columns=tuple(ValueColumn(each.values, None, 3) for each in case.columns))
    got = compute(case)[:, 0]
    scale = np.abs(left).max() * np.abs(right).max() + 1
    assert math.isclose(got[0], np.cov(left, right)[0, 1], rel_tol=1e-12, abs_tol=1e-13 * scale)
    if len(set(left)) > 1 and len(set(right)) > 1:
        assert math.isclose(got[1], scipy.stats.pearsonr(left, right).statistic, rel_tol=1e-12, abs_tol=1e-12)
        assert math.isclose(got[2], scipy.stats.linregress(right, left).slope, rel_tol=1e-12, abs_tol=1e-12 * scale)
    expected = scipy.stats.linregress(np.arange(n) / 2, left).slope
    assert math.isclose(got[3], expected, rel_tol=1e-12, abs_tol=1e-12 * scale)


def test_long_series_leave_no_trace(one_key, assert_same_floats):
    """What has left a window is forgotten to the last bit, an outlier of 2**50 included."""
    random = np.random.default_rng(5)
    left, right = random.integers(-1000, 1000, (2, 600))
    left[::97], right[::89] = 2**50, -(2**50)
    case = one_key(np.arange(600), np.arange(0, 620, 11), left, right, width=60)
    assert_same_floats(compute(case), compute(case, reference.aggregate_pairs))


def test_a_line_is_found_exactly_and_a_perfect_correlation_is_one(one_key):
    """Near the end of the range of times: 1970 plus 70,000 years, in microseconds."""
    time = 2**61 - 10**9 + np.arange(10) * 250_000
    x = np.arange(10) * 3
    got = compute(one_key(time, [time[-1] + 1], x * 2 + 1, x))[:, 0]
    assert got.tolist()[1:] == [1.0, 2.0, 24.0]


@pytest.mark.parametrize("aggregate", BOTH)
def test_what_has_no_answer_is_empty(aggregate, one_key):
    """One pair; no variance in what explains; the covariance of a constant is 0."""
    one = compute(one_key([0], [1], np.array([5]), np.array([7])), aggregate)[:, 0]
    assert np.isnan(one[[0, 2]]).all()
    assert one[[1, 3]].tolist() == [-7.0, -3.0]
    flat = compute(one_key([0, 1], [2], np.array([5, 6]), np.array([7, 7])), aggregate)[:, 0]
    assert flat[:2].tolist() == [0.0, -7.0]
    assert math.isnan(flat[2])


@pytest.mark.parametrize("aggregate", BOTH)
def test_what_cannot_be_exact_is_refused(aggregate, one_key):
    """From n * (largest - smallest) = 2**64 on, and times of a window alike; just below it is computed."""
    high, zeros = 2**62, np.zeros(2, np.int64)
    for column, columns in enumerate([(np.array([-high, high]),), (zeros, np.array([-high, high]))]):
        pair = (*columns, zeros) if column == 0 else columns
        compute(one_key([0, 1], [2], *(np.clip(each, -high + 1, high) for each in pair)), aggregate)
        wide = [np.concatenate([each, each * 1]) for each in pair]
        with pytest.raises(ExactRangeError) as caught:
            compute(one_key(range(4), [4], *wide), aggregate)
        assert caught.value.column == column
    time = np.array([-(2**60), 0, 1, 2, 3, 4, 5, 2**60])
    with pytest.raises(ExactRangeError) as caught:
        compute(one_key(time, [2**60 + 1], np.arange(8), np.arange(8), width=2**61 - 1 + 2**60), aggregate)
    assert caught.value.column == 1
