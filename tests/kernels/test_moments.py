"""The arithmetic under the statistics: 128-bit integers, one rounding to float64, and the rounding of values."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.cpu import moments
from headrace_kernels.reference import exact

WORDS = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**32, 2**32 - 1, 2**53 + 1, 2**63, 2**64 - 1])


@settings(max_examples=200, deadline=None)
@given(left=WORDS, right=WORDS)
def test_products_have_all_128_bits(left, right):
    with np.errstate(over="ignore"):
        high, low = moments._product(np.uint64(left), np.uint64(right))
    assert (int(high) << 64) + int(low) == left * right


@settings(max_examples=200, deadline=None)
@given(high=WORDS | st.integers(0, 2**12), low=WORDS)
def test_wide_integers_round_once_to_the_nearest_float(high, low):
    with np.errstate(over="ignore"):
        assert moments._to_float(np.uint64(high), np.uint64(low)) == float((high << 64) + low)


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.integers(-(2**57), 2**57), min_size=2, max_size=20), bits=st.integers(-3, 8))
def test_variances_have_no_cancellation(values, bits):
    """A constant has variance 0 and a large offset costs nothing: the numerator is exact."""
    total, squares = sum(values), sum(value * value for value in values)
    limbs = [sum((value * value >> shift) & 0xFFFFFFFF for value in values) for shift in (0, 32)]
    limbs.append(sum(value * value >> 64 for value in values))
    with np.errstate(over="ignore"):
        got = moments._variance(len(values), total, *limbs) * 2.0**-bits * 2.0**-bits
    assert got == exact.variance(total, squares, len(values), bits)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.floats() | st.sampled_from([2.0**62, 2.0**63, -(2.0**63), 0.5, 1.5, 2.5, -0.5]), max_size=12),
    bits=st.integers(-4, 4),
    data=st.data(),
)
def test_values_round_to_the_resolution_as_python_rounds(values, bits, data):
    valid = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    scaled = np.empty(len(values), dtype=np.int64)
    with np.errstate(over="ignore"):
        special, bad, largest = moments.scale(
            np.array(values, dtype=np.float64), np.array(valid, bool), 2.0**bits, scaled
        )
    kept = [(row, value) for row, value in enumerate(values) if valid[row]]
    finite = [(row, value) for row, value in kept if math.isfinite(value)]
    expected = {}
    refused = []
    for row, value in finite:
        try:
            expected[row] = exact.to_integer(value, bits)
        except OverflowError:
            refused.append(row)
    assert special == len(kept) - len(finite)
    assert bad == (refused[0] if refused else -1)
    assert largest == max((abs(value) for value in expected.values()), default=0)
    assert [int(scaled[row]) for row in range(len(values))] == [expected.get(row, 0) for row in range(len(values))]
