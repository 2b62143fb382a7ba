"""Grouping: the compiled kernels give the rows, order and flags of Python's own stable sort."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.cpu import grouping as cpu
from headrace_kernels.reference import grouping as reference

ROWS = st.lists(st.tuples(st.integers(-1, 3), st.integers(-4, 4), st.integers(1, 3)), max_size=40)


def arrays(rows):
    codes, time, lag = (np.array([row[part] for row in rows], dtype=np.int64) for part in range(3))
    return codes.astype(np.int32), time, time + lag


def same_groups(left, right):
    return left.starts.tolist() == right.starts.tolist() and left.rows.tolist() == right.rows.tolist()


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_events_are_ordered_by_key_time_visibility_and_position(rows):
    codes, time, visible_at = arrays(rows)
    compiled, plain = (module.group_events(codes, time, visible_at, 4) for module in (cpu, reference))
    assert same_groups(compiled.groups, plain.groups)
    assert compiled.time.tolist() == plain.time.tolist()
    assert compiled.visible_at.tolist() == plain.visible_at.tolist()
    assert compiled.ordered == plain.ordered


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_queries_are_ordered_by_key_time_and_position(rows):
    codes, time, _ = arrays(rows)
    compiled, plain = (module.group_queries(codes, time, 4) for module in (cpu, reference))
    assert same_groups(compiled.groups, plain.groups)
    assert compiled.time.tolist() == plain.time.tolist()


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_a_selection_of_rows_keeps_the_given_order_within_a_key(rows, data):
    codes, _, _ = arrays(rows)
    order = data.draw(st.permutations(range(len(rows)))) if rows else []
    order = np.array(order[: data.draw(st.integers(0, len(rows)))], dtype=np.int64)
    assert same_groups(*(module.group_rows(codes, order, 4) for module in (cpu, reference)))
