"""Moving rows: copies by position, and one rounding to the matrix's dtype."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.cpu import rows as cpu
from headrace_kernels.reference import rows as reference

BOTH = [cpu, reference]
DTYPES = [np.float64, np.int64, np.int32, np.int8, np.bool_]
SPECIAL = [0.0, -0.0, 1e16, 5e-324, 1e-45, 3.4028235677973366e38, 0.1, np.nan, np.inf, -np.inf]
FLOATS = st.sampled_from(SPECIAL) | st.floats()


def draw_integers(data, low, high, most):
    """int64[0 to most]."""
    return np.array(data.draw(st.lists(st.integers(low, high), max_size=most)), dtype=np.int64)


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_rows_are_copied_bit_for_bit(module, dtype, data):
    bits = np.array(data.draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=12)), dtype=np.uint64)
    values = bits.view(np.float64) if dtype is np.float64 else bits.astype(dtype)
    rows = draw_integers(data, 0, len(values) - 1, 40)
    out = np.zeros(len(rows), dtype=dtype)
    module.take_rows(values, rows, out)
    assert out.tobytes() == values[rows].tobytes()


@pytest.mark.parametrize("module", BOTH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_columns_are_written_where_they_belong_and_rounded_once(module, dtype, data):
    n_rows, n_features = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 40))
    rows = np.array(data.draw(st.permutations(range(n_rows))), dtype=np.int64)[: data.draw(st.integers(0, n_rows))]
    slots = np.array(data.draw(st.permutations(range(n_features))), dtype=np.int64)[: data.draw(st.integers(0, 4))]
    cells = len(slots) * len(rows)
    block = np.array(data.draw(st.lists(FLOATS, min_size=cells, max_size=cells))).reshape(len(slots), len(rows))
    out = np.full((n_rows, n_features), -7, dtype=dtype)
    with np.errstate(over="ignore"):  # to float32, as documented: beyond its range is infinite
        expected = out.copy()
        expected[np.ix_(rows, slots)] = block.T.astype(dtype)
        module.write_rows(block, rows, slots, out)
    np.testing.assert_array_equal(out, expected)
    assert (np.signbit(out) == np.signbit(expected)).all()
