"""The estimate of distinct values depends on the set of values alone, and is as near as it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.profiling.arrays import hash_integers
from headrace.data.profiling.distinct import EXACT_DISTINCT, RELATIVE_ERROR, DistinctSketch


def sketch(values):
    made = DistinctSketch()
    made.add(hash_integers(np.asarray(values, dtype=np.int64)))
    return made


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 60_000), st.integers(1, 5), st.integers(0, 2**32))
def test_order_repetition_and_partition_change_nothing(number, parts, seed):
    random = np.random.default_rng(seed)
    values = random.integers(0, 40_000, number)
    whole, merged = sketch(values), DistinctSketch()
    pieces = [sketch(part) for part in np.array_split(random.permutation(np.concatenate((values, values))), parts)]
    for at in random.permutation(parts):
        merged.merge(pieces[at])
    assert merged.count == whole.count
    assert merged.exact == whole.exact
    if whole.exact:
        assert whole.count == len(np.unique(values))


def test_few_values_are_counted():
    assert sketch([]).count == 0
    assert sketch([7] * 100).count == 1
    assert sketch(np.arange(EXACT_DISTINCT - 1)).count == EXACT_DISTINCT - 1
    assert sketch(np.arange(EXACT_DISTINCT - 1)).exact
    assert not sketch(np.arange(EXACT_DISTINCT)).exact


@pytest.mark.parametrize("number", [20_000, 100_000, 1_000_000])
def test_estimates_have_the_stated_standard_error(number):
    errors = [sketch(np.arange(number) + trial * 10**9).count / number - 1 for trial in range(12)]
    assert max(map(abs, errors)) < 4 * RELATIVE_ERROR
    assert np.sqrt(np.mean(np.square(errors))) < 1.6 * RELATIVE_ERROR  # 12 trials: chi-square, far in the tail
