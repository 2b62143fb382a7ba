"""Buckets: any cut covers every row once, keeps keys whole and rows in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.cpu import partitions

EXAMPLES = 60


def one_by_one(work, n_parts):
    for part in range(n_parts):
        work(part)


def from_the_end(work, n_parts):
    for part in reversed(range(n_parts)):
        work(part)


def on_threads(work, n_parts):
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(n_parts)))


ORDERS = [one_by_one, from_the_end, on_threads]


@pytest.fixture
def small(monkeypatch):
    """Few bins and short chunks, so that a few rows have many."""

    def shrink(bins, chunk_rows):
        monkeypatch.setattr(partitions, "_BINS", bins)
        monkeypatch.setattr(partitions, "_CHUNK_ROWS", chunk_rows)

    return shrink


@st.composite
def tables(draw, most=60):
    n_keys = draw(st.integers(1, 40))
    codes = st.lists(st.integers(-1, n_keys - 1), max_size=most)
    return n_keys, *(np.array(draw(codes), dtype=np.int32) for _ in range(2))


def cut(codes, n_keys, rows_per_bucket, for_each=one_by_one, others=()):
    """The layout of all tables together, and this table's rows cut by it, with two columns of values."""
    counts = [partitions.count_rows(each, n_keys, for_each) for each in (codes, *others)]
    layout = partitions.lay_out(counts, n_keys, rows_per_bucket)
    values = [np.arange(len(codes)) * 3 - 5, -np.arange(len(codes))]
    return layout, *partitions.cut_rows(codes, counts[0], layout, values, for_each), values


def check(codes, layout, buckets, taken, values):
    kept = [buckets.rows[buckets.of(bucket)].tolist() for bucket in range(layout.n_buckets)]
    assert sorted(row for rows in kept for row in rows) == np.flatnonzero(codes >= 0).tolist()
    for bucket, rows in enumerate(kept):
        assert rows == sorted(rows)
        low, high = layout.lows[bucket], layout.lows[bucket + 1]
        assert all(low <= codes[row] < high for row in rows)
        assert buckets.codes[buckets.of(bucket)].tolist() == codes[rows].tolist()
        for cut_values, source in zip(taken, values, strict=True):
            assert cut_values[buckets.of(bucket)].tolist() == source[rows].tolist()


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    table=tables(), rows_per_bucket=st.integers(1, 70), bins=st.sampled_from([1, 2, 3, 8, 1 << 14]),
    chunk_rows=st.sampled_from([1, 5, 1 << 18]), for_each=st.sampled_from(ORDERS[:2]),
)  # fmt: skip
def test_any_cut_covers_every_row_once_and_keeps_keys_whole_and_rows_in_order(
    table, rows_per_bucket, bins, chunk_rows, for_each
):
    n_keys, codes, others = table
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "_BINS", bins)
        patch.setattr(partitions, "_CHUNK_ROWS", chunk_rows)
        layout, *parts = cut(codes, n_keys, rows_per_bucket, for_each, (others,))
        check(codes, layout, *parts)
    assert layout.lows[0] == 0
    assert layout.lows[-1] == n_keys
    assert (np.diff(layout.lows) > 0).all()
    assert (np.diff(layout.bucket_of) >= 0).all()
    assert (np.diff(layout.bucket_of) <= 1).all()


@settings(max_examples=EXAMPLES, deadline=None)
@given(table=tables(), rows_per_bucket=st.integers(1, 70))
def test_a_bucket_is_full_only_with_its_last_keys(table, rows_per_bucket):
    """It has fewer rows than asked for before its last bin: as small as whole keys allow."""
    n_keys, codes, others = table
    layout, *_ = cut(codes, n_keys, rows_per_bucket, others=(others,))
    together = np.concatenate([codes, others])
    per_key = np.bincount(together[together >= 0], minlength=n_keys)
    for bucket in range(layout.n_buckets):
        assert per_key[layout.lows[bucket] : layout.lows[bucket + 1] - 1].sum() < rows_per_bucket


@pytest.mark.parametrize("for_each", ORDERS)
def test_the_order_in_which_chunks_are_done_changes_nothing(small, for_each):
    small(16, 37)
    codes = np.random.default_rng(0).integers(-1, 500, 5000).astype(np.int32)
    layout, buckets, taken, values = cut(codes, 500, 90, for_each)
    assert layout.n_buckets > 5
    check(codes, layout, buckets, taken, values)
    again = cut(codes, 500, 90)
    assert buckets.rows.tolist() == again[1].rows.tolist()
    assert [each.tolist() for each in taken] == [each.tolist() for each in again[2]]


def test_the_length_of_chunks_changes_nothing(small):
    codes = np.random.default_rng(1).integers(-1, 50, 1000).astype(np.int32)
    whole = cut(codes, 50, 90)
    for chunk_rows in (1, 7, 999, 1000, 1001):
        small(1 << 14, chunk_rows)
        assert cut(codes, 50, 90)[1].rows.tolist() == whole[1].rows.tolist()


@pytest.mark.parametrize("n_keys", [0, 1, 5])
@pytest.mark.parametrize("n_rows", [0, 3])
def test_a_table_without_keyed_rows_has_one_empty_bucket(n_keys, n_rows):
    layout, buckets, taken, _ = cut(np.full(n_rows, -1, dtype=np.int32), n_keys, 10)
    assert layout.n_buckets == 1
    assert layout.lows.tolist() == [0, n_keys]
    assert [len(each) for each in (buckets.rows, buckets.codes, *taken)] == [0, 0, 0, 0]
    assert buckets.of(0) == slice(0, 0)


@pytest.mark.parametrize(("n_keys", "shift"), [(0, 0), (1, 0), (1 << 14, 0), ((1 << 14) + 1, 1), (2**31 - 1, 17)])
def test_codes_fall_into_a_few_thousand_bins(n_keys, shift):
    assert partitions.bin_shift(n_keys) == shift
    assert max(n_keys - 1, 0) >> shift < 1 << 14
