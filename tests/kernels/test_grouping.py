"""Grouping: every way through the compiled sort gives the rows, order and flags of Python's own stable sort."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import EventTimes
from headrace_kernels.cpu import grouping as cpu
from headrace_kernels.dtypes import MAX_TIME_US
from headrace_kernels.reference import grouping as reference

EXAMPLES = 60
N_KEYS = 4
LOW = 7
ENDS = [-MAX_TIME_US + 1, MAX_TIME_US - 1]
ROWS = st.lists(
    st.tuples(
        st.integers(LOW, LOW + N_KEYS - 1),
        st.integers(-4, 4) | st.sampled_from(ENDS),
        st.integers(-3, 6),
        st.sampled_from([0, 1, -(2**63), 2**63 - 1]),
    ),
    max_size=40,
)


@st.composite
def tables(draw, rows=ROWS):
    """A bucket's rows: positions in the table, keys, and when they happened and became known."""
    drawn = draw(rows)
    codes, time, late, sequence = (np.array([row[part] for row in drawn], dtype=np.int64) for part in range(4))
    known = time + late if draw(st.booleans()) else None
    held = sequence if draw(st.booleans()) else None
    positions = np.cumsum(np.array(draw(st.lists(st.integers(1, 9), min_size=len(drawn), max_size=len(drawn)))))
    times = EventTimes(time, known, draw(st.integers(0, 3)), draw(st.integers(0, 2)), held)
    return positions.astype(np.int32), codes.astype(np.int32), times


def many(seed, n_rows, *, span, n_keys=N_KEYS, late=0):
    """More rows than are sorted by insertion alone."""
    random = np.random.default_rng(seed)
    codes = random.integers(LOW, LOW + n_keys, n_rows).astype(np.int32)
    time = random.integers(-(span // 2), span - span // 2, n_rows)
    known = time + random.integers(0, late + 1, n_rows) if late else None
    sequence = random.integers(-3, 3, n_rows) if late else None
    rows = np.sort(random.choice(3 * n_rows, n_rows, replace=False)).astype(np.int32)
    return rows, codes, EventTimes(time, known, 1, 1, sequence)


def same_groups(left, right):
    return left.starts.tolist() == right.starts.tolist() and left.rows.tolist() == right.rows.tolist()


def check(rows, codes, times, n_keys=N_KEYS):
    """All three kernels against the reference, and against the total order itself."""
    events, plain = (module.group_events(rows, codes, LOW, n_keys, times) for module in (cpu, reference))
    assert same_groups(events.groups, plain.groups)
    assert events.time.tolist() == plain.time.tolist()
    assert events.visible_at.tolist() == plain.visible_at.tolist()
    assert events.ordered == plain.ordered
    queries, plain = (module.group_queries(rows, codes, LOW, n_keys, times.time) for module in (cpu, reference))
    assert same_groups(queries.groups, plain.groups)
    assert queries.time.tolist() == plain.time.tolist()
    assert same_groups(*(module.group_rows(rows, codes, LOW, n_keys) for module in (cpu, reference)))
    check_order(rows, codes, times, events)


def check_order(rows, codes, times, events):
    """Oracle: NumPy's sort by (key, time, known, sequence), ties in the given order."""
    known, seen = times.time, times.time + times.lag_us
    if times.known is not None:
        known, seen = times.known, np.maximum(seen, times.known + times.delay_us)
    sequence = np.zeros_like(seen) if times.sequence is None else times.sequence
    order = np.lexsort((sequence, known, times.time, codes))
    assert events.groups.rows.tolist() == rows[order].tolist()
    assert events.time.tolist() == times.time[order].tolist()
    assert events.visible_at.tolist() == seen[order].tolist()
    for low, high in pairwise(events.groups.starts):
        assert not events.ordered or (np.diff(events.visible_at[low:high]) >= 0).all()


@settings(max_examples=EXAMPLES, deadline=None)
@given(table=tables())
def test_rows_are_ordered_by_key_time_knowledge_sequence_and_position(table):
    check(*table)


@pytest.mark.slow
@settings(max_examples=30 * EXAMPLES, deadline=None)
@given(table=tables())
def test_rows_are_ordered_by_key_time_knowledge_sequence_and_position_in_many_more_cases(table):
    check(*table)


@pytest.mark.parametrize("late", [0, 5], ids=["plain", "late"])
@pytest.mark.parametrize(
    "span", [1, 2, 50, 2**21, 2**23, 2**40, 2**61], ids=["equal", "2", "50", "2**21", "2**23", "2**40", "2**61"]
)
@pytest.mark.parametrize("n_rows", [63, 64, 65, 300])
def test_many_rows_are_ordered_whatever_their_times(n_rows, span, late):
    """Insertion up to 64 rows, two passes of radix sort and an insertion above; all passes where that gives up."""
    check(*many(n_rows, n_rows, span=span, late=late))


@pytest.mark.parametrize("span", [1500, 1 << 13, 1 << 24])
@pytest.mark.parametrize("n_keys", [1, 2, 3000])
def test_values_close_together_beside_one_far_away_are_ordered(n_keys, span):
    """The upper digits say nothing about such values: the insertion gives up and the lower digits are sorted too."""
    rows, codes, times = many(1, 2000, span=span, n_keys=n_keys)
    times.time[5] = 2**50
    check_order(rows, codes, times, cpu.group_events(rows, codes, LOW, n_keys, times))
    queries = cpu.group_queries(rows, codes, LOW, n_keys, times.time)
    order = np.lexsort((times.time, codes))
    assert queries.groups.rows.tolist() == rows[order].tolist()


def test_the_insertion_gives_up_where_much_is_left_to_do():
    keys, held = np.arange(200, dtype=np.uint64)[::-1].copy(), np.arange(200, dtype=np.int32)
    assert not cpu._insert(keys, held, 1000)
    assert sorted(keys) == list(range(200))
    assert (keys == 199 - held).all()


@pytest.mark.parametrize("n_rows", [30, 300])
def test_rows_in_the_order_of_time_keep_it(n_rows):
    rows, codes, times = many(2, n_rows, span=40)
    times.time.sort()
    check(rows, codes, times)


@pytest.mark.parametrize("n_keys", [2, 3, 5, 100, 300])
@pytest.mark.parametrize("n_rows", [9, 200])
def test_keys_and_times_that_do_not_fit_one_number_are_ordered(n_rows, n_keys):
    """Times from end to end take 62 bits; with two bits or more of keys they are sorted one after the other."""
    rows, codes, times = many(3, n_rows, span=60, n_keys=n_keys)
    times.time[[1, 4, -1]] = [ENDS[1], ENDS[0], ENDS[0]]
    check(rows, codes, times, n_keys)


@pytest.mark.parametrize("times", [False, True], ids=["rows", "events"])
def test_a_bucket_without_rows_has_empty_groups(times):
    nobody, never = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
    known = never if times else None
    grouped = cpu.group_events(nobody, nobody, LOW, 3, EventTimes(never, known, 0, 1, known))
    assert grouped.ordered
    assert grouped.groups.starts.tolist() == [0, 0, 0, 0]
    assert same_groups(cpu.group_rows(nobody, nobody, LOW, 3), grouped.groups)
    assert same_groups(cpu.group_queries(nobody, nobody, LOW, 3, never).groups, grouped.groups)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(table=tables(), data=st.data())
def test_slices_of_queries_keep_every_key_and_every_query_once(table, data):
    rows, codes, times = table
    queries = cpu.group_queries(rows, codes, LOW, N_KEYS, times.time)
    edges = [0, *sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4))), len(rows)]
    parts = [cpu.slice_queries(queries, begin, end) for begin, end in pairwise(edges)]
    assert np.concatenate([part.groups.rows for part in parts]).tolist() == queries.groups.rows.tolist()
    assert np.concatenate([part.time for part in parts]).tolist() == queries.time.tolist()
    for key in range(N_KEYS):
        begin, end = queries.groups.starts[key : key + 2]
        held = [row for part in parts for row in part.groups.rows[slice(*part.groups.starts[key : key + 2])]]
        assert held == queries.groups.rows[begin:end].tolist()
