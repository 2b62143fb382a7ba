"""Values as integers: rounded once to the resolution, as Python's fractions round, or marked as unfit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import ValueColumn
from headrace_kernels.cpu.scaling import scale_column
from headrace_kernels.reference import exact

EDGES = [2.0**62, 2.0**63, -(2.0**63), 2.0**63 - 1024, 0.5, 1.5, 2.5, -0.5, -0.0, 5e-324, 1.7e308, 1e16]


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.floats() | st.sampled_from(EDGES), max_size=12), bits=st.integers(-60, 60), data=st.data())
def test_floats_round_to_the_resolution_as_python_rounds(values, bits, data):
    kept = np.array([math.isfinite(value) and data.draw(st.booleans()) for value in values], dtype=np.bool_)
    column = ValueColumn(np.array(values, dtype=np.float64), None, bits)
    scaled = scale_column(column, kept)
    expected, fits = [], []
    for value, keep in zip(values, kept, strict=True):
        try:
            expected.append(exact.to_integer(value, bits) if keep else 0)
            fits.append(True)
        except OverflowError:
            expected.append(0)
            fits.append(False)
    assert scaled.integers.tolist() == expected
    assert scaled.fits.tolist() == ([] if all(fits) else fits)
    assert scaled.largest == max((abs(value) for value in expected), default=0)
    if kept.all():
        assert scale_column(column, kept[:0]).integers.tolist() == expected


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("bits", [-60, -3, 0, 1, 24, 60])
def test_the_limit_itself_does_not_fit_and_the_value_before_it_does(bits, sign):
    limit, everything = 2.0 ** (63 - bits), np.zeros(0, dtype=np.bool_)
    values = sign * np.array([1.0, limit, np.nextafter(limit, 0.0)])
    scaled = scale_column(ValueColumn(values, None, bits), everything)
    assert scaled.fits.tolist() == [True, False, True]
    assert scaled.integers.tolist()[1:] == [0, sign * (2**63 - 1024)]
    assert scaled.largest == 2**63 - 1024


@pytest.mark.parametrize("values", [np.zeros(0), np.zeros(0, dtype=np.int64)], ids=["floats", "integers"])
def test_no_values_are_no_integers(values):
    scaled = scale_column(ValueColumn(values, None, 0), np.zeros(0, dtype=np.bool_))
    assert (len(scaled.integers), len(scaled.fits), scaled.largest) == (0, 0, 0)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=12), data=st.data())
def test_integers_stay_what_they_are(values, data):
    kept = np.array([data.draw(st.booleans()) for _ in values], dtype=np.bool_)
    column = ValueColumn(np.array(values, dtype=np.int64), None, 0)
    scaled = scale_column(column, kept)
    assert scaled.integers.tolist() == [value if keep else 0 for value, keep in zip(values, kept, strict=True)]
    assert scaled.largest == max((abs(value) for value in scaled.integers.tolist()), default=0)
    assert scale_column(column, kept[:0]).integers.tolist() == values
