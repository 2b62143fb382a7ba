"""Values as integers: rounded once to the resolution, as Python's fractions round, or refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import ExactRangeError, ValueColumn
from headrace_kernels.cpu.scaling import scale_column
from headrace_kernels.reference import exact

EDGES = [2.0**62, 2.0**63, -(2.0**63), 2.0**63 - 1024, 0.5, 1.5, 2.5, -0.5, -0.0, 5e-324, 1.7e308, 1e16]


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.floats() | st.sampled_from(EDGES), max_size=12), bits=st.integers(-60, 60), data=st.data())
def test_floats_round_to_the_resolution_as_python_rounds(values, bits, data):
    kept = np.array([math.isfinite(value) and data.draw(st.booleans()) for value in values], dtype=np.bool_)
    column = ValueColumn(np.array(values, dtype=np.float64), None, bits)
    try:
        expected = [exact.to_integer(value, bits) if keep else 0 for value, keep in zip(values, kept, strict=True)]
    except OverflowError:
        with pytest.raises(ExactRangeError, match="does not fit 64 bits at a resolution") as caught:
            scale_column(column, kept, 1)
        assert caught.value.column == 1
        return
    scaled, largest = scale_column(column, kept)
    assert scaled.tolist() == expected
    assert largest == max((abs(value) for value in expected), default=0)
    if kept.all():
        assert scale_column(column, kept[:0])[0].tolist() == expected


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("bits", [-60, -3, 0, 1, 24, 60])
def test_the_limit_itself_is_refused_and_the_value_before_it_is_not(bits, sign):
    limit, everything = 2.0 ** (63 - bits), np.zeros(0, dtype=np.bool_)
    with pytest.raises(ExactRangeError, match="does not fit 64 bits"):
        scale_column(ValueColumn(np.array([1.0, sign * limit]), None, bits), everything)
    scaled, largest = scale_column(ValueColumn(np.array([sign * np.nextafter(limit, 0.0)]), None, bits), everything)
    assert scaled.tolist() == [sign * (2**63 - 1024)]
    assert largest == 2**63 - 1024


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=12), data=st.data())
def test_integers_stay_what_they_are(values, data):
    kept = np.array([data.draw(st.booleans()) for _ in values], dtype=np.bool_)
    column = ValueColumn(np.array(values, dtype=np.int64), None, 0)
    scaled, largest = scale_column(column, kept)
    assert scaled.tolist() == [value if keep else 0 for value, keep in zip(values, kept, strict=True)]
    assert largest == max((abs(value) for value in scaled.tolist()), default=0)
    assert scale_column(column, kept[:0])[0].tolist() == values
