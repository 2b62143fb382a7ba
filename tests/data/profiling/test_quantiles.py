"""Ranks are within the stated error, for any data and any partition, and the same rows give the same sketch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.data.profiling.quantiles import LEVEL_ITEMS, RANK_ERROR, QuantileSketch

N = 600_000
RANDOM = np.random.default_rng(7)
DATA = {
    "normal": RANDOM.normal(size=N),
    "heavy tails": RANDOM.standard_cauchy(N),
    "ascending": np.arange(N, dtype=np.float64),
    "descending": np.arange(N, dtype=np.float64)[::-1].copy(),
    "saw": np.arange(N, dtype=np.float64) % 10_007,
    "few values": RANDOM.integers(0, 9, N).astype(np.float64),
    "wide integers": RANDOM.integers(-(2**62), 2**62, N),
}


def sketch_of(values, block=131_072):
    sketch = QuantileSketch(values)
    for start in range(0, len(values), block):
        sketch.add_sorted(np.sort(values[start : start + block]))
    return sketch


def worst_rank_error(sketch, values):
    """Largest distance, over all values kept, between a rank and the true one, as a share of the values."""
    kept, ranks = sketch.ranked()
    assert ranks[-1] == len(values)
    ordered = np.sort(values)
    below, at = np.searchsorted(ordered, kept, "left"), np.searchsorted(ordered, kept, "right")
    last = np.append(kept[1:] != kept[:-1], True)  # the rank of a repeated value is that of its last copy
    before = np.concatenate(([0], ranks[:-1]))
    first = np.concatenate(([True], kept[1:] != kept[:-1]))
    over, under = (ranks - at)[last], (below - before)[first]
    return max(np.abs(over).max(), np.abs(under).max()) / len(values)


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("parts", [1, 5, 200])
def test_ranks_are_within_the_stated_error(name, parts):
    values = DATA[name]
    sketches = [sketch_of(part) for part in np.array_split(values, parts)]
    merged = sketches[0]
    for other in sketches[1:]:
        merged.merge(other)
    assert worst_rank_error(merged, values) <= RANK_ERROR
    assert sum(merged._sizes) <= LEVEL_ITEMS * len(merged._sizes)


@pytest.mark.slow
def test_the_standard_error_is_what_the_docstring_says():
    random = np.random.default_rng(11)
    errors = []
    for _ in range(12):
        values = random.normal(size=400_000)
        kept, ranks = sketch_of(values).ranked()
        shares = np.linspace(0.05, 0.95, 19)
        found = kept[np.searchsorted(ranks, shares * len(values))]
        errors.append(np.searchsorted(np.sort(values), found) / len(values) - shares)
    assert np.sqrt(np.mean(np.square(errors))) < 0.0002


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=40), max_size=6),
    st.permutations(range(6)),
)
def test_few_values_are_kept_as_they_are_in_any_order(parts, order):
    arrays = [np.sort(np.array(part, dtype=np.float64)) for part in parts]
    sketch = QuantileSketch(np.zeros(0))
    for at in (at for at in order if at < len(arrays)):
        other = QuantileSketch(np.zeros(0))
        other.add_sorted(arrays[at])
        sketch.merge(other)
    kept, ranks = sketch.ranked()
    assert kept.tolist() == sorted(value for part in parts for value in part)
    assert ranks.tolist() == list(range(1, len(kept) + 1))


def test_the_same_rows_give_the_same_sketch():
    values = DATA["normal"][:300_000]
    (first, ranks), (second, again) = sketch_of(values).ranked(), sketch_of(values).ranked()
    assert first.tobytes() == second.tobytes()
    assert ranks.tobytes() == again.tobytes()


def test_counted_values_weigh_exactly_their_counts():
    sketch = QuantileSketch(np.zeros(0))
    sketch.add_counted(np.array([1.0, 2.0, 5.0]), np.array([3, 1_000_001, 8]))
    kept, ranks = sketch.ranked()
    assert ranks[-1] == 1_000_012
    assert ranks[np.searchsorted(kept, 1.0, "right") - 1] == 3
    assert ranks[np.searchsorted(kept, 2.0, "right") - 1] == 1_000_004
    none = QuantileSketch(np.zeros(0, dtype=np.int64))
    assert [len(part) for part in none.ranked()] == [0, 0]
