"""As-of lookups: the compiled kernel finds the state that a plain loop finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.cpu import asof as cpu
from headrace_kernels.cpu.grouping import group_events, group_queries
from headrace_kernels.reference import asof as reference

ROWS = st.lists(st.tuples(st.integers(-1, 3), st.integers(-5, 9)), max_size=30)


def arrays(rows):
    codes, times = (np.array([row[part] for row in rows], dtype=np.int64) for part in range(2))
    return codes.astype(np.int32), times


@settings(max_examples=80, deadline=None)
@given(states=ROWS, asking=ROWS, tolerance=st.integers(-1, 6), delay=st.integers(0, 3))
def test_the_last_known_state_within_the_tolerance_is_found(states, asking, tolerance, delay):
    codes, times = arrays(states)
    grouped = group_events(codes, times, times + delay, 4)
    queries = group_queries(*arrays(asking), 4)
    compiled, plain = (
        module.match_states(grouped, queries, tolerance, len(asking)).tolist() for module in (cpu, reference)
    )
    assert compiled == plain


def test_of_equal_times_the_last_row_wins_and_the_tolerance_is_inclusive():
    zeros = np.zeros(3, dtype=np.int32)
    states = group_events(zeros, np.array([5, 5, 2]), np.array([5, 5, 2]), 1)
    queries = group_queries(zeros, np.array([5, 8, 9]), 1)
    assert cpu.match_states(states, queries, 3, 3).tolist() == [1, 1, -1]


@settings(max_examples=40, deadline=None)
@given(matches=st.lists(st.integers(-1, 4), max_size=20))
def test_matched_rows_are_copied_and_no_match_gives_nan(matches):
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    table[2, 1] = np.nan
    written = []
    for module in (cpu, reference):
        out = np.full((len(matches), 4), -7, dtype=np.float32)
        module.gather_rows(table, np.array(matches, dtype=np.int64), np.array([3, 1]), out)
        written.append(out)
    np.testing.assert_array_equal(*written)
    assert (written[0][:, [0, 2]] == -7).all()
