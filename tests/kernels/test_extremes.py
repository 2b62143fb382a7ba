"""Extremes: stretches, stacks and trees give what plain Python's min and max give, bit for bit."""

from __future__ import annotations

import dataclasses
import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import Statistic, StatisticRequest, ValueColumn
from headrace_kernels.cpu import extremes as cpu
from headrace_kernels.cpu.grouping import slice_queries
from headrace_kernels.cpu.summed_columns import SummedColumn
from headrace_kernels.reference import extremes as reference

EXAMPLES = 40
REQUESTS = [
    StatisticRequest(Statistic.MIN, empty=-1.0),
    StatisticRequest(Statistic.MAX),
    StatisticRequest(Statistic.RANGE, empty=5.0),
    StatisticRequest(Statistic.MIN),
]
WAYS = ["stretches", "stacks", "trees"]


def compute_one_way(case, way, requests=REQUESTS):
    """Every way of finding extremes: the window's length and the events' order choose one otherwise."""
    frames, column = case.frames, SummedColumn(case.column())
    if way == "trees":
        frames = dataclasses.replace(frames, events=dataclasses.replace(frames.events, ordered=False))
    out = np.full((len(requests), len(frames.first)), -7.0)
    with pytest.MonkeyPatch.context() as patch:
        if way == "stacks":
            patch.setattr(cpu, "MOST_LEVELS", 0)
        cpu.aggregate_extremes(frames, column, requests, out)
    result = np.empty_like(out)
    result[:, case.query_order] = out
    return result


def compute(case, aggregate=cpu.aggregate_extremes):
    wrap = SummedColumn if aggregate is cpu.aggregate_extremes else lambda column: column
    return case.compute(aggregate, REQUESTS, lambda each: wrap(each.column()))


def check_every_way(case, assert_same_floats):
    plain = compute(case, reference.aggregate_extremes)
    assert_same_floats(compute(case), plain)
    if case.frames.events.ordered:
        for way in WAYS:
            assert_same_floats(compute_one_way(case, way), plain)


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_every_way_equals_plain_python_bit_for_bit(data, frame_cases, assert_same_floats):
    check_every_way(data.draw(frame_cases()), assert_same_floats)


@pytest.mark.slow
@settings(max_examples=12 * EXAMPLES, deadline=None)
@given(data=st.data())
def test_every_way_equals_plain_python_in_many_more_cases(data, frame_cases, assert_same_floats):
    check_every_way(data.draw(frame_cases()), assert_same_floats)


@pytest.mark.parametrize("way", WAYS)
def test_a_statistic_has_the_bits_it_has_among_others(way, one_key, assert_same_floats):
    values = np.random.default_rng(0).normal(size=40)
    case = one_key(np.arange(40), np.arange(60), values, width=9)
    together = compute_one_way(case, way)
    for row, request in enumerate(REQUESTS):
        assert_same_floats(compute_one_way(case, way, [request]), together[row : row + 1])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("null", [False, True], ids=["values", "nulls"])
def test_the_own_event_of_a_query_takes_part(null, way, one_key, assert_same_floats):
    """It is not visible to its own query, and counts all the same."""
    values = np.array([3.0, 5.0, np.nan, 1.0, -2.0, 7.0, -9.0])
    case = one_key(np.arange(7), np.arange(7), values, width=2)
    column = ValueColumn(values, np.arange(7) != 5 if null else None, 0)
    case = dataclasses.replace(case, columns=(column,), own=np.arange(7))
    got = compute_one_way(case, way)
    assert_same_floats(got, compute(case, reference.aggregate_extremes))
    assert got[1, 1] == 5.0
    assert got[0, 6] == -9.0
    assert got[1, 5] == (1.0 if null else 7.0)


@settings(max_examples=EXAMPLES // 4, deadline=None)
@given(data=st.data())
def test_a_window_alone_equals_the_window_in_a_long_series(data, frame_cases, assert_window_alone):
    """No NaN and no outlier stays behind when it leaves."""
    assert_window_alone(data.draw(frame_cases()), compute)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_no_bit(data, seed, frame_cases, assert_same_floats):
    case = data.draw(frame_cases(bits=(0,)).filter(lambda each: not len(each.own) and not each.newest))
    shuffled = case.take(np.random.default_rng(seed).permutation(len(case.codes)))
    assert_same_floats(compute(shuffled), compute(case))


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data())
def test_slices_of_the_queries_and_levels_filled_before_change_no_bit(data, frame_cases, assert_same_floats):
    """Slices of a large bucket share one column, whatever the lengths of their windows."""
    case = data.draw(frame_cases())
    frames, column = case.frames, SummedColumn(case.column())
    whole = np.empty((len(REQUESTS), len(frames.first)))
    cpu.aggregate_extremes(frames, SummedColumn(case.column()), REQUESTS, whole)
    edge = data.draw(st.integers(0, len(frames.first)))
    for begin, end in ((edge, len(frames.first)), (0, edge)):
        part = dataclasses.replace(
            frames, queries=slice_queries(frames.queries, begin, end), first=frames.first[begin:end],
            last=frames.last[begin:end], extra=frames.extra[begin:end],
        )  # fmt: skip
        out = np.empty((len(REQUESTS), end - begin))
        cpu.aggregate_extremes(part, column, REQUESTS, out)
        assert_same_floats(out, np.ascontiguousarray(whole[:, begin:end]))


class Watched(np.ndarray):
    """Calls back whenever its length is read: that is where threads take turns."""

    def __len__(self):
        self.on_length()
        return super().__len__()


def test_threads_that_share_a_column_disturb_nobody(monkeypatch):
    """Slices of a large bucket run at once: none may take another's word for what it has not filled itself.

    The first begins, the second begins and is filling its levels, the first ends, the second ends.
    """
    monkeypatch.setattr(np, "empty", lambda shape, dtype: np.full(shape, 77, dtype))  # what is not filled is wrong
    column = SummedColumn(ValueColumn(np.arange(200.0), None, 0))
    watched = column.floats.view(Watched)
    turns, is_filling, is_done = {"first": 0, "second": 0}, threading.Event(), threading.Event()

    def on_length():
        name = threading.current_thread().name
        turns[name] = turns.get(name, 0) + 1
        if name == "first" and turns[name] == 1:
            assert is_filling.wait(10)
        if name == "second" and turns[name] == 3:
            is_filling.set()
            assert is_done.wait(10)

    watched.on_length = on_length
    vars(column)["floats"] = watched
    first, second = (
        threading.Thread(target=column.stretches, args=(levels,), name=name)
        for name, levels in (("first", 2), ("second", 5))
    )
    first.start()
    second.start()
    first.join()
    is_done.set()
    second.join()
    lows, highs = column.stretches(7)
    for level in range(7):
        end = 200 - (1 << level) + 1
        assert lows[level, :end].tolist() == list(range(end))
        assert highs[level, :end].tolist() == list(range(200 - end, 200))


@pytest.mark.parametrize("width", [1, 2, 127, 128, 129, 500])
@pytest.mark.parametrize("kind", ["floats", "integers", "falling", "rising"])
def test_long_windows_equal_numpy(kind, width, one_key, assert_same_floats):
    """On both sides of the length from which on windows slide over two stacks."""
    n_events, random = 600, np.random.default_rng(width)
    values = {
        "floats": random.normal(size=n_events),
        "integers": random.integers(-(2**50), 2**50, n_events),
        "falling": np.arange(n_events, 0.0, -1.0),
        "rising": np.arange(n_events, dtype=np.float64),
    }[kind]
    case = one_key(np.arange(n_events), np.arange(1, n_events + 1), values, width=width)
    low, high = (
        np.array([extreme(values[max(0, end - width) : end]) for end in range(1, n_events + 1)], dtype=np.float64)
        for extreme in (min, max)
    )
    for way in WAYS:
        got = compute_one_way(case, way) if way != "stretches" or width < 128 else compute(case)
        assert_same_floats(got, np.stack([low, high, high - low, low]))


@pytest.mark.parametrize("way", WAYS)
def test_windows_that_reach_back_further_than_before_are_read_anew(way, one_key, assert_same_floats):
    """Clocks set back: a bound falls from one query to the next."""
    values = np.array([9.0, -9.0, np.nan, 1.0, 2.0, 3.0])
    case = one_key(np.arange(6), [6] * 4, values, width=2)
    case.frames.first[:] = [3, 4, 0, 3]
    case.frames.last[:] = [6, 6, 6, 6]
    got = compute_one_way(case, way)
    assert_same_floats(got[:2], np.array([[1.0, 2.0, np.nan, 1.0], [3.0, 3.0, np.nan, 3.0]]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("values", [[0.0, -0.0], [-0.0, 0.0], [-0.0, -0.0], [-0.0] * 9 + [0.0] * 9])
def test_zero_has_no_sign(values, way, one_key):
    case = one_key(np.arange(len(values)), [len(values)] * 3, np.array(values))
    got = compute_one_way(case, way)
    assert (got == 0.0).all()
    assert not np.signbit(got).any()


@pytest.mark.parametrize("way", WAYS)
def test_infinite_values_are_compared(way, one_key, assert_same_floats):
    inf = math.inf
    for values, expected in (
        ([inf], [inf, inf, math.nan]),
        ([1.0, inf], [1.0, inf, inf]),
        ([-inf, inf, 0.0], [-inf, inf, inf]),
        ([-inf], [-inf, -inf, math.nan]),
    ):
        case = one_key(np.arange(len(values)), [9], np.array(values))
        assert_same_floats(compute_one_way(case, way)[:3, 0], np.array(expected))


@pytest.mark.parametrize("way", WAYS)
def test_the_distance_of_integers_is_rounded_once(way, one_key):
    """2**62 + 1 and 2**62 are 1 apart, and the extremes of int64 do not wrap."""
    for values, expected in (
        ([2**62 + 1, 2**62], 1.0),
        ([2**63 - 1, -(2**63)], float(2**64 - 1)),
        ([-(2**63), -(2**63) + 3], 3.0),
        ([2**53 + 1, 1], float(2**53)),
        ([-(2**53) - 1, -1], float(2**53)),
    ):
        case = one_key([0, 1], [2], np.array(values, dtype=np.int64))
        assert compute_one_way(case, way)[2, 0] == expected
        assert compute(case, reference.aggregate_extremes)[2, 0] == expected


@pytest.mark.parametrize("values", [np.zeros(0), np.zeros(0, np.int64)], ids=["floats", "integers"])
@pytest.mark.parametrize("way", WAYS)
def test_windows_over_nothing_are_empty(way, values, one_key, assert_same_floats):
    case = one_key([], [1, 2], values)
    assert_same_floats(compute_one_way(case, way), np.array([[-1.0] * 2, [np.nan] * 2, [5.0] * 2, [np.nan] * 2]))


@pytest.mark.parametrize("way", WAYS)
def test_windows_of_nulls_are_empty(way, one_key, assert_same_floats):
    """What stands under a null is ignored, NaN and Inf as well."""
    case = one_key([0, 1, 2], [3], np.array([np.nan, np.inf, -np.inf]))
    hidden = ValueColumn(case.columns[0].values, np.zeros(3, np.bool_), 0)
    case = dataclasses.replace(case, columns=(hidden,))
    assert_same_floats(compute_one_way(case, way)[:, 0], np.array([-1.0, np.nan, 5.0, np.nan]))
