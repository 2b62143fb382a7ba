"""Moments are SciPy's, in any partition, at any magnitude."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from headrace.data.profiling.moments import Moments
from headrace.data.profiling.numbers import run_lengths


def moments(values):
    return Moments.of(*run_lengths(np.sort(np.asarray(values, dtype=np.float64))))


SAMPLES = {
    "normal": np.random.default_rng(1).normal(3, 2, 20_000),
    "lognormal": np.random.default_rng(2).lognormal(0, 1.5, 20_000),
    "few": np.random.default_rng(3).integers(0, 5, 20_000).astype(float),
    "far from zero": np.random.default_rng(4).normal(1e9, 1, 20_000),
    "huge": np.random.default_rng(5).normal(0, 1e300, 5_000),
    "subnormal": np.random.default_rng(6).integers(-1000, 1000, 5_000) * 5e-324,
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("parts", [1, 7])
def test_moments_are_scipys(name, parts):
    values = SAMPLES[name]
    found = Moments()
    for part in np.array_split(np.random.default_rng(0).permutation(values), parts):
        found += moments(part)
    exponent = math.frexp(np.abs(values).max())[1]
    scaled = np.ldexp(values, -exponent)  # SciPy's own sums would overflow, or vanish
    noise = max(1e-12 * np.abs(values).max(), 5e-324)
    assert found.count == len(values)
    assert found.skewness == pytest.approx(stats.skew(scaled), rel=1e-6, abs=1e-6)
    assert found.kurtosis == pytest.approx(stats.kurtosis(scaled), rel=1e-6, abs=1e-6)
    assert found.average == pytest.approx(np.ldexp(scaled.mean(), exponent), abs=noise)
    assert found.std == pytest.approx(np.ldexp(scaled.std(), exponent), rel=1e-9, abs=noise)


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8), max_size=5))
def test_any_partition_gives_finite_moments_near_the_whole(parts):
    whole, found = moments([value for part in parts for value in part]), Moments()
    for part in parts:
        found += moments(part)
    assert found.count == whole.count
    if whole.count:
        largest = max(abs(value) for part in parts for value in part)
        assert found.average == pytest.approx(whole.average, rel=1e-12, abs=1e-14 * largest)
        assert found.std == pytest.approx(whole.std, rel=1e-9, abs=1e-7 * largest)
        smallest = min(value for part in parts for value in part)
        assert smallest - 1e-12 * largest <= found.average <= largest * (1 + 1e-12)
        for shape in (found.skewness, found.kurtosis):
            assert shape is None or math.isfinite(shape)


def test_nothing_has_no_moments_and_a_constant_no_shape():
    nothing = Moments()
    assert (nothing.average, nothing.std, nothing.skewness, nothing.kurtosis) == (None, None, None, None)
    constant = moments([0.1] * 1000) + moments([0.1])
    assert (constant.average, constant.skewness, constant.kurtosis) == (0.1, None, None)
    assert constant.std == pytest.approx(0, abs=1e-16)
    assert moments([1.7976931348623157e308, -1.7976931348623157e308]).std == 1.7976931348623157e308
