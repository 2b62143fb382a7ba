"""Correlations are NumPy's over the rows where both columns have a value, in any partition, at any magnitude."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.profiling.comoments import Comoments, as_floats


def expected(columns):
    found = np.full((len(columns), len(columns)), np.nan)
    for i, left in enumerate(columns):
        for j, right in enumerate(columns):
            both = np.isfinite(left) & np.isfinite(right)
            if both.sum() > 1 and np.ptp(left[both]) and np.ptp(right[both]):
                found[i, j] = np.corrcoef(left[both], right[both])[0, 1]
    return found


def found(columns, parts=1):
    whole = Comoments(len(columns))
    for part in np.array_split(columns, parts, axis=1):
        block = Comoments(len(columns))
        block.add(part.copy())
        whole.merge(block)
    return np.array([[np.nan if value is None else value for value in row] for row in whole.correlations()])


@pytest.mark.parametrize("parts", [1, 2, 17])
def test_correlations_are_numpys_with_missing_values(parts):
    random = np.random.default_rng(0)
    base = random.normal(size=3_000)
    columns = np.stack(
        [base, base + random.normal(size=3_000), -2 * base, random.normal(size=3_000) * 1e6 + 1e9, np.full(3_000, 0.1)]
    )
    columns[0, random.random(3_000) < 0.3] = np.nan
    columns[1, random.random(3_000) < 0.1] = np.inf
    columns[1, :500] = np.nan
    np.testing.assert_allclose(found(columns, parts), expected(columns), atol=2e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_magnitude_does_not_matter(scale):
    random = np.random.default_rng(1)
    columns = random.normal(size=(3, 500))
    columns[1] += columns[0]
    want = expected(columns)
    columns[0] *= scale
    np.testing.assert_allclose(found(columns, 3), want, atol=2e-9)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(1, 4), st.integers(1, 5))
def test_any_partition_gives_the_same(seed, rows, columns, parts):
    random = np.random.default_rng(seed)
    values = random.integers(-3, 4, (columns, rows)).astype(np.float64)
    values[random.random(values.shape) < 0.2] = np.nan
    np.testing.assert_allclose(found(values, parts), expected(values), atol=2e-9)


def test_arrow_columns_become_floats_with_nan_for_null():
    block = as_floats([pa.array([1, None, 3]), pa.array([None] * 3, pa.int8()), pa.array([9, 0.5, 1.5, None]).slice(1)])
    np.testing.assert_array_equal(block, [[1, np.nan, 3], [np.nan] * 3, [0.5, 1.5, np.nan]])
