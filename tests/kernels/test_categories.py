"""Categories in windows: the compiled counts equal plain counting, and the sketch estimates what it promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import Statistic, StatisticRequest
from headrace_kernels.cpu import categories as cpu
from headrace_kernels.reference import categories as reference

EXAMPLES = 40
REQUESTS = [
    StatisticRequest(Statistic.DISTINCT),
    StatisticRequest(Statistic.DISTINCT_SKETCH),
    StatisticRequest(Statistic.MODE, empty=-1.0),
    StatisticRequest(Statistic.TOP_SHARE, 1.0),
    StatisticRequest(Statistic.TOP_SHARE, 3.0, empty=0.5),
    StatisticRequest(Statistic.ENTROPY),
]
VALUES = np.array([-1.5, 0.0, 2.0, 3.0, 1e16])
HASHES = np.random.default_rng(3).integers(0, 2**64, 5, dtype=np.uint64)


def compute(case, aggregate=cpu.aggregate_categories, requests=REQUESTS, values=VALUES, hashes=HASHES):
    return case.compute(aggregate, requests, lambda each: each.categories[each.order], values, hashes)


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_compiled_equals_plain_python_bit_for_bit(data, frame_cases, assert_same_floats):
    """Also where hashes share a register, have the largest rank, or are equal."""
    case = data.draw(frame_cases())
    hashes = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**51, 2**52, 2**52 + 5, 2**64 - 1])
    chosen = np.array(data.draw(st.lists(hashes, min_size=5, max_size=5)), dtype=np.uint64)
    assert_same_floats(compute(case, hashes=chosen), compute(case, reference.aggregate_categories, hashes=chosen))


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(data=st.data(), chosen=st.permutations(REQUESTS), count=st.integers(1, 3))
def test_every_choice_of_statistics_gets_the_same_bits(data, chosen, count, frame_cases, assert_same_floats):
    case = data.draw(frame_cases())
    rows = [REQUESTS.index(request) for request in chosen[:count]]
    assert_same_floats(compute(case, requests=chosen[:count]), compute(case)[rows])


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


@pytest.mark.parametrize("n_categories", [1, 2, 31, 32, 33, 400])
def test_long_windows_of_many_categories_equal_plain_counting(n_categories, one_key, assert_same_floats):
    random = np.random.default_rng(n_categories)
    codes = (random.random(400) ** 2 * (n_categories + 1)).astype(np.int32) - 1
    case = one_key(np.arange(400), np.arange(0, 420, 7), categories=codes, width=150)
    tables = (np.arange(n_categories, dtype=np.float64), random.integers(0, 2**64, n_categories, dtype=np.uint64))
    assert_same_floats(
        compute(case, cpu.aggregate_categories, REQUESTS, *tables),
        compute(case, reference.aggregate_categories, REQUESTS, *tables),
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_entropy_depends_on_the_counts_alone_and_is_that_of_scipy(counts, one_key, assert_same_floats):
    """Which category has which count does not matter; within 1e-14 of SciPy's, whose sum has another order."""
    answers = []
    for arranged in (counts, counts[::-1]):
        codes = np.repeat(np.arange(len(counts)), arranged)
        case = one_key(np.arange(len(codes)), [len(codes)], categories=codes)
        tables = (np.arange(len(counts), dtype=np.float64), np.zeros(len(counts), np.uint64))
        answers.append(compute(case, cpu.aggregate_categories, [StatisticRequest(Statistic.ENTROPY)], *tables))
    assert_same_floats(*answers)
    assert math.isclose(answers[0][0, 0], scipy.stats.entropy(counts), rel_tol=1e-14, abs_tol=1e-14)


def test_a_window_of_one_category_has_no_entropy(one_key):
    case = one_key(np.arange(7), [7], categories=np.full(7, 3))
    assert compute(case)[:, 0].tolist() == [1.0, 1.0, 3.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("n_distinct", [1, 10, 100, 1000, 20_000, 100_000])
def test_the_sketch_is_within_five_standard_errors(n_distinct, one_key):
    """Standard error 1.04 / sqrt(4096) = 1.6 %; half an event for the rounding."""
    hashes = np.random.default_rng(n_distinct).integers(0, 2**64, n_distinct, dtype=np.uint64)
    case = one_key(np.arange(n_distinct), [n_distinct], categories=np.arange(n_distinct))
    tables = (np.arange(n_distinct, dtype=np.float64), hashes)
    got = compute(case, cpu.aggregate_categories, REQUESTS[:2], *tables)[:, 0]
    assert got[0] == n_distinct
    assert abs(got[1] - n_distinct) <= 5 * 0.01625 * n_distinct + 0.5


def test_no_categories_at_all(one_key):
    case = one_key([0, 1], [2], categories=[-1, -1])
    got = compute(case, cpu.aggregate_categories, REQUESTS, np.zeros(0), np.zeros(0, np.uint64))
    assert got[:2, 0].tolist() == [0.0, 0.0]
    assert got[2, 0] == -1.0
    assert got[4, 0] == 0.5
    assert np.isnan(got[[3, 5], 0]).all()
