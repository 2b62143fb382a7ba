"""Encodings of numbers: compiled and plain versions write the same bits, whatever the numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.cpu import encoding as cpu
from headrace_kernels.reference import encoding as reference

HARD = st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1e16, 1.0, 1e300, -1e300])
VALUES = st.lists(HARD | st.floats() | st.floats(-5, 5), max_size=20).map(lambda values: np.array(values, np.float64))
FINITE = st.floats(-1e300, 1e300)


def bits(matrix):
    return np.where(np.isnan(matrix), np.float32(np.nan), matrix).view(np.uint32).tolist()


def written(function, values, *settings_):
    out = np.full((len(values), 3), -7, dtype=np.float32)
    function(values, *settings_, 1, out)
    assert (out[:, [0, 2]] == -7).all()
    return bits(out[:, 1].copy())


@settings(max_examples=60, deadline=None)
@given(
    values=VALUES,
    fill=HARD,
    bounds=st.tuples(FINITE, FINITE).map(sorted),
    center=FINITE,
    scale=st.floats(1e-300, 1e300),
)
def test_rescaled_values_agree(values, fill, bounds, center, scale):
    scaling = np.array([fill, *bounds, center, scale])
    assert written(cpu.write_rescaled, values, scaling) == written(reference.write_rescaled, values, scaling)


@settings(max_examples=60, deadline=None)
@given(values=VALUES, edges=st.sets(FINITE | st.floats(-5, 5), max_size=9), missing=st.sampled_from([math.nan, 3.0]))
def test_bins_agree_and_are_those_of_a_sorted_search(values, edges, missing):
    array = np.array(sorted(edges), dtype=np.float64)
    found = written(cpu.write_bins, values, array, missing)
    assert found == written(reference.write_bins, values, array, missing)
    expected = np.where(np.isnan(values), missing, np.searchsorted(array, values, side="right")).astype(np.float32)
    assert found == bits(expected)


@pytest.mark.parametrize("module", [cpu, reference], ids=["cpu", "reference"])
def test_a_missing_value_is_filled_before_it_is_clipped_and_scaled(module):
    out = np.zeros((4, 1), dtype=np.float32)
    scaling = np.array([9.0, 0.0, 4.0, 2.0, 2.0])
    module.write_rescaled(np.array([np.nan, -1.0, 3.0, np.inf]), scaling, 0, out)
    assert out[:, 0].tolist() == [1.0, -1.0, 0.5, 1.0]
