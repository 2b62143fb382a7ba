"""As-of lookups: the compiled kernel finds the state that a plain loop finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import EventTimes
from headrace_kernels.cpu import asof as cpu
from headrace_kernels.cpu.grouping import group_events, group_queries, slice_queries
from headrace_kernels.dtypes import MAX_TIME_US
from headrace_kernels.reference import asof as reference

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 9)), max_size=30)
EXAMPLES = 60


def arrays(rows):
    codes, times = (np.array([row[part] for row in rows], dtype=np.int64) for part in range(2))
    return np.arange(len(rows), dtype=np.int32), codes.astype(np.int32), times


def group_states(rows, delay=0):
    """States are visible from when they begin to hold, or a delay later."""
    table, codes, times = arrays(rows)
    return group_events(table, codes, 0, 4, EventTimes(times, None, 0, delay, None))


def ask(rows):
    table, codes, times = arrays(rows)
    return group_queries(table, codes, 0, 4, times)


@settings(max_examples=EXAMPLES, deadline=None)
@given(states=ROWS, asking=ROWS, tolerance=st.integers(-1, 6), delay=st.integers(0, 3))
def test_the_last_known_state_within_the_tolerance_is_found(states, asking, tolerance, delay):
    grouped, queries = group_states(states, delay), ask(asking)
    compiled, plain = (module.match_states(grouped, queries, tolerance).tolist() for module in (cpu, reference))
    assert compiled == plain
    for row, match in zip(queries.groups.rows, compiled, strict=True):
        key, now = asking[row]
        known = [
            (time, position) for position, (code, time) in enumerate(states) if code == key and time + delay <= now
        ]
        since, last = max(known, default=(None, -1))
        assert match == (last if since is not None and (tolerance < 0 or now - since <= tolerance) else -1)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(states=ROWS, asking=ROWS, data=st.data())
def test_a_slice_of_the_queries_gets_what_it_gets_among_all(states, asking, data):
    grouped, queries = group_states(states), ask(asking)
    begin = data.draw(st.integers(0, len(asking)))
    end = data.draw(st.integers(begin, len(asking)))
    part = cpu.match_states(grouped, slice_queries(queries, begin, end), 4)
    assert part.tolist() == cpu.match_states(grouped, queries, 4)[begin:end].tolist()


def test_of_equal_times_the_last_row_wins_and_the_tolerance_is_inclusive():
    states = group_states([(0, 5), (0, 5), (0, 2)])
    queries = ask([(0, 5), (0, 8), (0, 9)])
    assert cpu.match_states(states, queries, 3).tolist() == [1, 1, -1]


def test_a_state_since_ever_holds_for_ever():
    states = group_states([(1, -MAX_TIME_US), (1, -MAX_TIME_US)])
    assert cpu.match_states(states, ask([(1, MAX_TIME_US - 1), (0, 0)]), -1).tolist() == [-1, 1]


@pytest.mark.parametrize("module", [cpu, reference])
@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(matches=st.lists(st.integers(-1, 5), max_size=20))
def test_matched_values_are_copied_and_no_match_gives_nan(module, matches, assert_same_floats):
    values = np.array([1.5, np.nan, np.inf, -0.0, 5e-324, 1e16])
    out = np.full(len(matches), -7.0)
    module.take_matches(values, np.array(matches, dtype=np.int64), out)
    assert_same_floats(out, np.array([values[match] if match >= 0 else np.nan for match in matches], dtype=np.float64))
