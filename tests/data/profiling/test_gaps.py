"""The longest gaps are exact above the stated length, in any order of rows."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.profiling.gaps import SPANS, Coverage
from headrace.data.profiling.ordering import Ordering


def covered(parts):
    whole = Coverage()
    for part in parts:
        one = Coverage()
        one.add(np.unique(np.asarray(part, dtype=np.int64)))
        whole.merge(one)
    return whole


def true_gaps(values):
    gaps = ((int(after - before), int(before)) for before, after in pairwise(np.unique(values)))
    return sorted(gaps, key=lambda gap: (-gap[0], gap[1]))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([10**3, 10**6, 10**15]))
def test_gaps_above_the_stated_length_are_exact_in_any_partition(seed, parts, span):
    random = np.random.default_rng(seed)
    values = random.integers(-span, span, 6_000)
    whole = covered(np.array_split(values, parts))
    want = [gap for gap in true_gaps(values) if gap[0] > whole.closed_us][:10]
    assert [(gap.length_us, gap.start_us) for gap in whole.longest(10)] == want
    assert len(whole._starts) <= SPANS


def test_an_outage_is_found_in_shuffled_rows():
    random = np.random.default_rng(0)
    times = np.delete(np.arange(0, 400_000) * 60_000_000, slice(100_000, 100_300))
    whole = covered(np.array_split(random.permutation(times), 9))
    first = whole.longest(1)[0]
    assert (first.start_us, first.end_us) == (99_999 * 60_000_000, 100_300 * 60_000_000)


def test_few_times_have_all_their_gaps_and_none_has_none():
    assert Coverage().longest(5) == []
    assert covered([[5]]).longest(5) == []
    assert [gap.length_us for gap in covered([[5], [1, 9, 30]]).longest(5)] == [21, 4, 4]
    ends = covered([[-(2**63), 2**63 - 1]]).longest(1)[0]
    assert ends.length_us == 2**63 - 2  # clipped: beyond 146,000 years a gap is at least this long


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=12), max_size=5))
def test_ordering_is_that_of_all_rows_one_after_the_other(parts):
    whole = Ordering()
    for part in parts:
        whole += Ordering.of(np.array(part, dtype=np.int64))
    rows = [value for part in parts for value in part]
    pairs = list(pairwise(rows))
    assert (whole.first, whole.last) == ((rows[0], rows[-1]) if rows else (None, None))
    assert whole.up == sum(a < b for a, b in pairs)
    assert whole.equal == sum(a == b for a, b in pairs)
    assert whole.down == sum(a > b for a, b in pairs)
    assert whole.step_back == max((a - b for a, b in pairs if a > b), default=0)
    ascending = rows == sorted(rows)
    assert (whole.direction in ("ascending", "constant")) == ascending
    assert whole.strict == (bool(rows) and (rows == sorted(set(rows)) or rows == sorted(set(rows), reverse=True)))
