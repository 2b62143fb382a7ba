"""Significance against an independent library and against exact cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headrace.monitoring.significance import (
    chi_square_critical,
    chi_square_tail,
    false_discovery_rejections,
    rate_p_value,
)


@given(st.floats(0, 300), st.integers(1, 40))
def test_the_chi_square_tail_is_scipys(value, degrees):
    assert chi_square_tail(value, degrees) == pytest.approx(stats.chi2.sf(value, degrees), rel=1e-11, abs=1e-300)


@pytest.mark.parametrize("degrees", [1, 2, 3, 9, 20])
@pytest.mark.parametrize("alpha", [0.05, 0.001, 0.5])
def test_the_critical_value_is_scipys(alpha, degrees):
    assert chi_square_critical(alpha, degrees) == pytest.approx(stats.chi2.isf(alpha, degrees), rel=1e-11)


@given(st.integers(0, 900), st.integers(0, 90_000))
def test_equal_rates_are_tested_as_scipy_does_with_its_correction(hits, reference_hits):
    table = np.array([[hits, 900 - hits], [reference_hits, 90_000 - reference_hits]])
    if (table.sum(axis=0) == 0).any():
        assert rate_p_value(hits, 900, reference_hits, 90_000) == 1.0
        return
    expected = stats.chi2_contingency(table, correction=True).pvalue
    assert rate_p_value(hits, 900, reference_hits, 90_000) == pytest.approx(expected, rel=1e-7, abs=1e-300)


@given(st.lists(st.floats(0, 1), max_size=40), st.sampled_from([0.01, 0.05, 0.5]))
def test_false_discoveries_are_held_as_scipy_does(p_values, alpha):
    expected = (stats.false_discovery_control(p_values) <= alpha).tolist() if p_values else []
    got = false_discovery_rejections(p_values, alpha)
    near = [abs(value - alpha) < 1e-9 for value in (stats.false_discovery_control(p_values) if p_values else [])]
    assert [g for g, n in zip(got, near, strict=True) if not n] == [
        e for e, n in zip(expected, near, strict=True) if not n
    ]
