"""Counts are exact while values are few; afterwards each lacks at most the stated error."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.profiling.frequencies import EXACT_VALUES, Frequencies


def counted(values):
    keys, counts = np.unique(np.asarray(values, dtype=np.int64), return_counts=True)
    return keys, counts.astype(np.int64)


def gathered(parts):
    """One sketch a part, merged from the right or the left."""
    sketches = []
    for part in parts:
        sketch = Frequencies(np.zeros(0, dtype=np.int64))
        for block in np.array_split(part, 3):
            sketch.add(*counted(block))
            sketch.reduce()
        sketches.append(sketch)
    first = sketches[0]
    for other in sketches[1:]:
        first.merge(other)
        first.reduce()
    return first


def check_bounds(sketch, values):
    true = Counter(values.tolist())
    kept = dict(zip(sketch.keys.tolist(), sketch.counts.tolist(), strict=True))
    assert len(kept) <= EXACT_VALUES
    assert (np.diff(sketch.keys) > 0).all()
    assert all(true[key] - sketch.error <= count <= true[key] for key, count in kept.items())
    assert all(count <= sketch.error for key, count in true.items() if key not in kept)
    assert sketch.error <= len(values) / (EXACT_VALUES + 1)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 6), st.sampled_from([10, 4_000, 5_000, 50_000]))
def test_counts_keep_their_bounds_in_any_partition(seed, parts, values):
    random = np.random.default_rng(seed)
    drawn = (random.random(30_000) ** 3 * values).astype(np.int64)
    check_bounds(gathered(np.array_split(drawn, parts)), drawn)
    check_bounds(gathered(np.array_split(random.permutation(drawn), parts)), drawn)


def test_few_values_are_exact_in_any_order():
    values = np.random.default_rng(0).integers(0, 1000, 20_000)
    forward, backward = gathered(np.array_split(values, 5)), gathered(np.array_split(values, 5)[::-1])
    assert forward.exact
    assert forward.counts.tolist() == backward.counts.tolist() == counted(values)[1].tolist()
    assert forward.keys[forward.top(3)].tolist() == [key for key, _ in sorted(
        Counter(values.tolist()).items(), key=lambda item: (-item[1], item[0])
    )][:3]  # fmt: skip


def test_one_value_among_a_million_others_is_found():
    random = np.random.default_rng(1)
    values = np.concatenate((np.arange(1_000_000) + 10, np.full(5_000, 3)))
    sketch = gathered(np.array_split(random.permutation(values), 8))
    assert sketch.keys[sketch.top(1)].tolist() == [3]
    assert 5_000 - sketch.error <= sketch.counts[sketch.top(1)][0] <= 5_000
    assert sketch.error <= 24  # blocks of all-different values cost one each
