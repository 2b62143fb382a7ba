"""Split rules over float32, one at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.packaging.export.decisions import ZERO_THRESHOLD, View, floor_to_float32, plan_columns, plan_rules
from headrace.packaging.export.forest import Forest, Missing, Tree

finite = st.floats(allow_nan=False)
inputs = st.floats(width=32, allow_nan=False)


def stump(threshold: float, missing: Missing, *, default_left: bool = False, members: tuple[int, ...] | None = None):
    """A tree of one split on feature 1 of 3, and the plan of its forest."""
    categorical = members is not None
    tree = Tree(
        feature=np.array([1]),
        threshold=np.array([0.0 if categorical else threshold]),
        missing=np.array([int(missing)]),
        default_left=np.array([default_left]),
        categorical=np.array([categorical]),
        left=np.array([-1]),
        right=np.array([-2]),
        leaf_value=np.array([1.0, 2.0]),
        categories=(np.array(members, dtype=np.int64),) if categorical else (),
        linear=None,
    )
    columns = plan_columns(Forest(("a", "b", "c"), 1, "regression", average=False, trees=(tree,)))
    return columns, plan_rules(tree, columns)


@given(value=inputs, threshold=finite)
@example(value=1e-45, threshold=5e-324)
@example(value=float("inf"), threshold=1e300)
@example(value=-float("inf"), threshold=-1e300)
@example(value=0.10000000149011612, threshold=0.1)
def test_floor_keeps_every_comparison(value, threshold):
    """X <= t and x <= floor(t) agree for every float32 x."""
    floor = floor_to_float32(np.array([threshold]))[0]
    assert floor.dtype == np.float32
    assert (np.float32(value) <= floor) == (value <= threshold)


@given(value=inputs, threshold=st.one_of(finite, st.floats(-2e-35, 2e-35)))
@example(value=1.0000000180025095e-35, threshold=0.0)
@example(value=-1.0000000180025095e-35, threshold=-1e-40)
@example(value=-1.0000002153053e-35, threshold=-1e-40)
def test_tiny_values_are_compared_as_zero(value, threshold):
    """The rule sends x where LightGBM's comparison of the flushed x does."""
    flushed = 0.0 if abs(value) <= ZERO_THRESHOLD else value
    _, rules = stump(threshold, Missing.NAN)
    assert (value <= rules.threshold[0]) == (flushed <= threshold)


@given(threshold=finite)
def test_nan_goes_where_zero_goes_when_nothing_is_missing(threshold):
    """Without missing values NaN stands for zero."""
    _, rules = stump(threshold, Missing.NONE, default_left=True)
    assert rules.nan_left[0] == (threshold >= 0)


def test_zero_as_missing_reads_a_view_of_its_own():
    """Other splits of the same feature go on reading the plain column."""
    columns, rules = stump(0.5, Missing.ZERO, default_left=True)
    assert columns.zero_missing.tolist() == [1]
    assert rules.column.tolist() == [3]
    assert rules.nan_left.tolist() == [True]
    assert columns.positions(np.array([1]), View.PLAIN).tolist() == [1]


def test_category_is_read_through_its_number():
    """NaN is no member, so it goes right whatever the default direction says."""
    columns, rules = stump(0.0, Missing.NAN, default_left=True, members=(2, 7))
    assert columns.highest_category.tolist() == [7]
    assert rules.column.tolist() == [3]
    assert rules.nan_left.tolist() == [False]
    assert rules.members[0].tolist() == [2, 7]


def test_wide_set_is_read_through_its_table():
    """A set beyond one mask becomes a bit of the column behind the category's number."""
    columns, rules = stump(0.0, Missing.NAN, members=(2, 40))
    assert rules.column.tolist() == [4]
    assert rules.members[0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    assert columns.set_tables[1].bits[[0, 3, 4, 41], 0].tolist() == [0, 1, 0, 1]


def test_category_split_without_members_sends_all_right():
    """An empty set becomes a comparison nothing passes."""
    _, rules = stump(0.0, Missing.NONE, members=())
    assert rules.members == {}
    assert rules.threshold[0] < -1
