"""Window statistics: the compiled kernel equals plain Python bit for bit, whatever the events, order or threads."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import ExactRangeError, Statistic, ValueColumn, WindowRequest
from headrace_kernels.cpu import windows as cpu
from headrace_kernels.cpu.grouping import group_events, group_queries
from headrace_kernels.reference import windows as reference

EXAMPLES = 40
BITS = st.sampled_from([0, 1, -3, 8])
STATISTICS = list(Statistic)
WIDTHS = (1, 3, 1000)
ADVERSARIAL = [0.0, -0.0, 1.0, 1e16, -1e16, 15.0, 15.5, 5e-324, 2.0**-30, 0.1, 1e6, math.nan, math.inf, -math.inf]


@dataclasses.dataclass
class Case:
    """Events, queries and values of one example."""

    codes: np.ndarray
    time: np.ndarray
    visible_at: np.ndarray
    query_codes: np.ndarray
    query_time: np.ndarray
    column: ValueColumn
    n_keys: int = 3

    def compute(self, aggregate, widths=WIDTHS, **options):
        requests = [
            WindowRequest(kind, width, slot, None if kind == Statistic.COUNT else 0, above)
            for slot, (width, kind, above) in enumerate(
                (width, kind, above)
                for width in widths
                for kind in STATISTICS
                for above in ((0.05, 15.0) if kind == Statistic.SHARE else (0.0,))
            )
        ]
        out = np.full((len(self.query_time), len(requests)), -7.0, dtype=np.float32)
        events = group_events(self.codes, self.time, self.visible_at, self.n_keys)
        queries = group_queries(self.query_codes, self.query_time, self.n_keys)
        aggregate(events, queries, [self.column], requests, out, **options)
        return out


@st.composite
def cases(draw, *, values=None, bits=BITS, in_order=False):
    """Few keys, few times: ties, duplicates, unsorted rows, empty groups and late knowledge are all common."""
    n_events, n_queries = draw(st.integers(0, 30)), draw(st.integers(0, 12))
    times = st.integers(-5, 15)
    codes = st.integers(-1, 2)
    time = np.array(draw(st.lists(times, min_size=n_events, max_size=n_events)), dtype=np.int64)
    lag = 0 if (in_order or draw(st.booleans())) else 10
    lags = draw(st.lists(st.integers(1, 1 + lag), min_size=n_events, max_size=n_events))
    if draw(st.booleans()):
        held = np.array(
            draw(st.lists(st.integers(-(2**40), 2**40), min_size=n_events, max_size=n_events)), dtype=np.int64
        )
        scale = 0
    else:
        floats = values or (st.sampled_from(ADVERSARIAL) | st.floats(-1e9, 1e9))
        held = np.array(draw(st.lists(floats, min_size=n_events, max_size=n_events)), dtype=np.float64)
        scale = draw(bits)
    valid = draw(st.none() | st.lists(st.booleans(), min_size=n_events, max_size=n_events))
    return Case(
        np.array(draw(st.lists(codes, min_size=n_events, max_size=n_events)), dtype=np.int32),
        time,
        time + np.array(lags, dtype=np.int64),
        np.array(draw(st.lists(codes, min_size=n_queries, max_size=n_queries)), dtype=np.int32),
        np.array(draw(st.lists(times, min_size=n_queries, max_size=n_queries)), dtype=np.int64),
        ValueColumn(held, None if valid is None else np.array(valid, dtype=np.bool_), scale),
    )


def assert_same_bits(left, right):
    """Equal float32 bits; every NaN is the same missing value."""
    assert left.shape == right.shape
    same = (left.view(np.uint32) == right.view(np.uint32)) | (np.isnan(left) & np.isnan(right))
    assert same.all(), (
        f"{(~same).sum()} cells differ, first at {np.argwhere(~same)[0]}: {left[~same][0]} {right[~same][0]}"
    )


def check_against_plain_python(case):
    try:
        compiled = case.compute(cpu.aggregate_windows)
    except ExactRangeError:
        return  # refused: never a wrong number
    assert_same_bits(compiled, case.compute(reference.aggregate_windows))


@settings(max_examples=EXAMPLES, deadline=None)
@given(case=cases())
def test_compiled_equals_plain_python_bit_for_bit(case):
    check_against_plain_python(case)


@pytest.mark.slow
@settings(max_examples=20 * EXAMPLES, deadline=None)
@given(case=cases())
def test_compiled_equals_plain_python_in_many_more_cases(case):
    check_against_plain_python(case)


@settings(max_examples=EXAMPLES, deadline=None)
@given(case=cases(bits=st.just(0)), threads=st.integers(2, 5))
def test_the_number_of_threads_changes_no_bit(case, threads):
    assert_same_bits(case.compute(cpu.aggregate_windows, threads=threads), case.compute(cpu.aggregate_windows))


@settings(max_examples=EXAMPLES, deadline=None)
@given(case=cases(bits=st.just(0)), data=st.data())
def test_events_that_become_known_later_change_no_bit(case, data):
    """Neither appended future events nor any value that is not visible yet can be seen by a query."""
    latest = int(case.query_time.max(initial=-100))
    hidden = case.visible_at > latest
    values = case.column.values.copy()
    values[hidden] = data.draw(st.sampled_from([0, 12345]))
    extra = data.draw(st.integers(0, 5))
    future = np.arange(extra) + latest
    later = dataclasses.replace(
        case,
        codes=np.concatenate([case.codes, np.zeros(extra, dtype=np.int32)]),
        time=np.concatenate([case.time, future]),
        visible_at=np.concatenate([case.visible_at, future + 1]),
        column=ValueColumn(
            np.concatenate([values, np.full(extra, 7, dtype=values.dtype)]),
            None if case.column.valid is None else np.concatenate([case.column.valid, np.ones(extra, dtype=np.bool_)]),
            0,
        ),
    )
    assert_same_bits(later.compute(cpu.aggregate_windows), case.compute(cpu.aggregate_windows))


@settings(max_examples=EXAMPLES, deadline=None)
@given(case=cases(bits=st.just(0)), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_no_bit(case, seed):
    shuffle = np.random.default_rng(seed).permutation(len(case.time))
    valid = None if case.column.valid is None else case.column.valid[shuffle]
    shuffled = dataclasses.replace(
        case,
        codes=case.codes[shuffle],
        time=case.time[shuffle],
        visible_at=case.visible_at[shuffle],
        column=ValueColumn(case.column.values[shuffle], valid, 0),
    )
    assert_same_bits(shuffled.compute(cpu.aggregate_windows), case.compute(cpu.aggregate_windows))


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(case=cases(bits=st.just(0)))
def test_a_query_alone_gets_the_bits_it_gets_among_others(case):
    together = case.compute(cpu.aggregate_windows)
    for row in range(len(case.query_time)):
        alone = dataclasses.replace(
            case, query_codes=case.query_codes[row : row + 1], query_time=case.query_time[row : row + 1]
        )
        assert_same_bits(alone.compute(cpu.aggregate_windows), together[row : row + 1])


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(case=cases(bits=st.just(0), in_order=True))
def test_a_window_alone_equals_the_window_in_a_long_series(case):
    """Events outside the widest window leave no trace: no running sum keeps an old outlier or NaN."""
    together = case.compute(cpu.aggregate_windows, widths=(3,))
    for row, now in enumerate(case.query_time):
        inside = (case.time >= now - 3) & (case.time < now)
        valid = None if case.column.valid is None else case.column.valid[inside]
        alone = dataclasses.replace(
            case,
            codes=case.codes[inside],
            time=case.time[inside],
            visible_at=case.visible_at[inside],
            column=ValueColumn(case.column.values[inside], valid, 0),
            query_codes=case.query_codes[row : row + 1],
            query_time=case.query_time[row : row + 1],
        )
        assert_same_bits(alone.compute(cpu.aggregate_windows, widths=(3,)), together[row : row + 1])


@pytest.mark.parametrize("late", [False, True], ids=["ranges", "trees"])
def test_sums_near_the_limit_are_exact_and_sums_beyond_it_are_refused(late):
    """(events in a window) * (largest magnitude) just below 2**63 is computed, from 2**63 on it is an error."""
    time = np.arange(4, dtype=np.int64)
    visible = time + 1 + (time == 0) * 2 * late
    largest = 2**61 - 1

    def case(value):
        return Case(
            np.zeros(4, np.int32), time, visible, np.zeros(1, np.int32), np.array([10]),
            ValueColumn(np.array([value, -value, value, value]), None, 0),
        )  # fmt: skip

    exact = case(largest)
    assert_same_bits(exact.compute(cpu.aggregate_windows), exact.compute(reference.aggregate_windows))
    with pytest.raises(ExactRangeError, match="4 events in a window"):
        case(largest + 1).compute(cpu.aggregate_windows)


def test_a_large_group_with_small_windows_stays_within_the_range():
    """The range is a matter of the events in a window, not of the events of a key."""
    time = np.arange(0, 40_000, 2000, dtype=np.int64)
    case = Case(
        np.zeros(20, np.int32), time, time + 1, np.zeros(20, np.int32), time + 1,
        ValueColumn(np.full(20, 2**61), None, 0),
    )  # fmt: skip
    assert_same_bits(case.compute(cpu.aggregate_windows), case.compute(reference.aggregate_windows))


def test_a_value_beyond_the_range_is_refused_with_its_row_and_only_where_it_is_summed():
    case = Case(
        np.zeros(2, np.int32), np.arange(2), np.arange(2) + 1, np.zeros(1, np.int32), np.array([5]),
        ValueColumn(np.array([1.0, 1e16]), None, 24),
    )  # fmt: skip
    with pytest.raises(ExactRangeError, match=r"1e\+16.* at row 1 .*2\*\*-24") as caught:
        case.compute(cpu.aggregate_windows)
    assert caught.value.column == 0
    out = np.empty((1, 1), dtype=np.float32)
    events = group_events(case.codes, case.time, case.visible_at, 3)
    queries = group_queries(case.query_codes, case.query_time, 3)
    cpu.aggregate_windows(events, queries, [case.column], [WindowRequest(Statistic.MAX, 10, 0, 0)], out)
    assert out[0, 0] == np.float32(1e16)


def test_one_beside_1e16_keeps_its_weight():
    """The sum of 1e16, 1 and -1e16 is 1, in any order: nothing is rounded before the end."""
    for values in ([1e16, 1.0, -1e16], [1.0, 1e16, -1e16], [1e16, -1e16, 1.0]):
        case = Case(
            np.zeros(3, np.int32), np.arange(3), np.arange(3) + 1, np.zeros(1, np.int32), np.array([5]),
            ValueColumn(np.array(values), None, 0),
        )  # fmt: skip
        out = np.empty((1, 1), dtype=np.float32)
        events = group_events(case.codes, case.time, case.visible_at, 3)
        queries = group_queries(case.query_codes, case.query_time, 3)
        cpu.aggregate_windows(events, queries, [case.column], [WindowRequest(Statistic.SUM, 10, 0, 0)], out)
        assert out[0, 0] == 1.0
