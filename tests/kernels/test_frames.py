"""Bounds and moves of windows: the compiled sweeps find the places that plain Python finds, from any part on."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_kernels.arrays import GroupedEvents, GroupedQueries, Groups, WindowFrames
from headrace_kernels.cpu import frames as cpu
from headrace_kernels.cpu.grouping import slice_queries
from headrace_kernels.dtypes import MAX_TIME_US
from headrace_kernels.reference import frames as reference
from headrace_kernels.reference.membership import make_frames, members

EXAMPLES = 40
NONE = np.zeros(0, dtype=np.int64)
KINDS = ["since", "newest", "session"]
FAR = [-2 * MAX_TIME_US, 2 * MAX_TIME_US]


@st.composite
def bounds_of(draw, queries, kinds=KINDS):
    """A kind of window and its setting: any bounds, also ones that fall; a number of events; a gap."""
    kind, n_queries = draw(st.sampled_from(kinds)), len(queries.time)
    if kind == "newest":
        return kind, draw(st.integers(1, 6))
    if kind == "session":
        return kind, draw(st.integers(0, 8))
    oldest = st.integers(-8, 20) | st.sampled_from(FAR)
    return kind, np.array(draw(st.lists(oldest, min_size=n_queries, max_size=n_queries)), dtype=np.int64)


def first_places(module, events, queries, bound, last):
    kind, setting = bound
    return getattr(module, f"bound_{kind}")(events, queries, setting, last)


def build(module, events, queries, bound, own=NONE):
    """Windows of any kind; `own` events that a window holds anyway, or of another key, are no extra ones."""
    last = module.bound_visible(events, queries)
    first = first_places(module, events, queries, bound, last)
    extra = own
    if len(own):
        starts, query_starts = events.groups.starts, queries.groups.starts
        key = np.searchsorted(query_starts, np.arange(len(own)), side="right") - 1
        seen = events.visible_at[own] <= queries.time if len(events.time) else own < 0
        inside = (own >= first) & (own < last) & seen
        extra = np.where(inside | (own < starts[key]) | (own >= starts[key + 1]), -1, own)
    return WindowFrames(events, queries, first, last, extra, *module.window_moves(events, queries, first, last, extra))


def replay(frames):
    """What the moves leave inside at each query; nothing enters twice, nothing leaves that is not there."""
    inside, held, done = set(), [], 0
    for end in frames.move_ends:
        for move in frames.moves[done:end].tolist():
            place = move if move >= 0 else ~move
            assert (place in inside) == (move < 0)
            inside ^= {place}
        done = end
        held.append(sorted(inside))
    return held


def sorted_members(frames):
    return [sorted(each) for each in members(frames)]


def draw_frames(data, case, module=cpu):
    events, queries = case.frames.events, case.frames.queries
    own = NONE
    if len(events.time) and data.draw(st.booleans()):
        places = st.integers(-1, len(events.time) - 1)
        own = np.array([data.draw(places) for _ in queries.time], dtype=np.int64)
    return build(module, events, queries, data.draw(bounds_of(queries)), own)


def check_bounds(data, case):
    events, queries = case.frames.events, case.frames.queries
    last = cpu.bound_visible(events, queries)
    assert last.tolist() == reference.bound_visible(events, queries).tolist()
    for kind in KINDS:
        bound = data.draw(bounds_of(queries, [kind]))
        first, expected = (first_places(module, events, queries, bound, last) for module in (cpu, reference))
        assert first.tolist() == expected.tolist(), bound
        assert (first <= last).all()


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_bounds_are_the_places_that_plain_python_finds(data, frame_cases):
    check_bounds(data, data.draw(frame_cases()))


@pytest.mark.slow
@settings(max_examples=12 * EXAMPLES, deadline=None)
@given(data=st.data())
def test_bounds_are_the_places_that_plain_python_finds_in_many_more_cases(data, frame_cases):
    check_bounds(data, data.draw(frame_cases()))


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_windows_hold_what_their_definition_says(data, frame_cases):
    """Exact by construction: the visible events not older than the bound, the newest n, the open session."""
    case = data.draw(frame_cases())
    events, queries = case.frames.events, case.frames.queries
    bound = data.draw(bounds_of(queries))
    held = members(build(cpu, events, queries, bound))
    for key, (begin, end) in enumerate(pairwise(queries.groups.starts)):
        places = range(events.groups.starts[key], events.groups.starts[key + 1])
        for query in range(begin, end):
            now = queries.time[query]
            seen = [place for place in places if events.visible_at[place] <= now]
            assert held[query] == define(bound, query, now, seen, events.time)


def define(bound, query, now, seen, time):
    kind, setting = bound
    if kind == "since":
        return [place for place in seen if time[place] >= setting[query]]
    if kind == "newest":
        return seen[-setting:]
    times = [*(time[place] for place in seen), now]
    breaks = [index for index in range(len(seen)) if times[index + 1] - times[index] > setting]
    return seen[breaks[-1] + 1 :] if breaks else seen


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_moves_replayed_give_exactly_the_windows(data, frame_cases):
    frames = draw_frames(data, data.draw(frame_cases()))
    assert replay(frames) == sorted_members(frames)
    moves, ends = reference.window_moves(frames.events, frames.queries, frames.first, frames.last, frames.extra)
    assert replay(dataclasses.replace(frames, moves=moves, move_ends=ends)) == replay(frames)


@pytest.mark.slow
@settings(max_examples=12 * EXAMPLES, deadline=None)
@given(data=st.data())
def test_moves_replayed_give_exactly_the_windows_in_many_more_cases(data, frame_cases):
    frames = draw_frames(data, data.draw(frame_cases()))
    assert replay(frames) == sorted_members(frames)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data())
def test_everything_that_entered_leaves_in_the_end(data, frame_cases):
    frames = draw_frames(data, data.draw(frame_cases()))
    entered, left = frames.moves[frames.moves >= 0], ~frames.moves[frames.moves < 0]
    assert np.sort(entered).tolist() == np.sort(left).tolist()


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_a_slice_of_the_queries_gets_what_it_gets_among_all(data, frame_cases):
    """Large keys are computed by several threads, each from a query in the middle on."""
    case = data.draw(frame_cases())
    events, queries = case.frames.events, case.frames.queries
    kind, setting = data.draw(bounds_of(queries))
    whole = build(cpu, events, queries, (kind, setting))
    begin = data.draw(st.integers(0, len(queries.time)))
    end = data.draw(st.integers(begin, len(queries.time)))
    part = slice_queries(queries, begin, end)
    assert part.groups.rows.tolist() == queries.groups.rows[begin:end].tolist()
    mine = build(cpu, events, part, (kind, setting[begin:end] if kind == "since" else setting))
    assert mine.first.tolist() == whole.first[begin:end].tolist()
    assert mine.last.tolist() == whole.last[begin:end].tolist()
    assert replay(mine) == replay(whole)[begin:end]


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data(), width=st.integers(0, 30))
def test_an_event_enters_once_and_leaves_once_where_bounds_do_not_fall(data, width, frame_cases):
    """What windows cost does not depend on their length."""
    case = data.draw(frame_cases())
    events, queries = case.frames.events, case.frames.queries
    moves = build(cpu, events, queries, ("since", queries.time - width)).moves
    assert len(np.unique(moves)) == len(moves)


@settings(max_examples=EXAMPLES // 2, deadline=None)
@given(data=st.data())
def test_frames_of_the_reference_are_those_of_the_compiled_kernels(data, frame_cases):
    case = data.draw(frame_cases())
    events, queries = case.frames.events, case.frames.queries
    bound = data.draw(bounds_of(queries, ["since"]))
    plain, compiled = make_frames(events, queries, bound[1], NONE), build(cpu, events, queries, bound)
    assert plain.first.tolist() == compiled.first.tolist()
    assert replay(plain) == replay(compiled)
    if len(compiled.first) and len(events.time):
        own = np.where(compiled.last > compiled.first, compiled.last - 1, -1)  # those inside anyway are no extra ones
        seen = (own >= 0) & (events.visible_at[own] <= queries.time)
        assert (make_frames(events, queries, bound[1], own).extra[seen] == -1).all()


def one_group(time, visible_at, query_time):
    time, visible_at, query_time = (np.array(each, dtype=np.int64) for each in (time, visible_at, query_time))
    starts = [np.array([0, len(each)], dtype=np.int64) for each in (time, query_time)]
    ordered = bool((np.diff(visible_at) >= 0).all())
    events = GroupedEvents(Groups(starts[0], np.arange(len(time))), time, visible_at, ordered)
    return events, GroupedQueries(Groups(starts[1], np.arange(len(query_time))), query_time)


@pytest.mark.parametrize("late", [0, 30], ids=["ordered", "late"])
def test_windows_that_swing_back_and_forth_make_as_many_moves_as_they_need(late):
    """More moves than there are events: the list grows, within a key and where a key ends."""
    time = np.arange(20)
    visible_at = time + 1
    visible_at[3] += late
    for n_queries in range(1, 90):
        events, queries = one_group(time, visible_at, np.full(n_queries, 50))
        frames = build(cpu, events, queries, ("since", np.where(np.arange(n_queries) % 2, 19, -5)))
        assert len(frames.moves) >= 19 * n_queries
        assert replay(frames) == sorted_members(frames)


@pytest.mark.parametrize("late", [0, 30], ids=["ordered", "late"])
def test_an_own_event_enters_again_when_its_time_comes(late):
    """Each query's own event is its newest, leaves with it, and is a plain event for later queries."""
    time = np.arange(10)
    visible_at = time + 1
    visible_at[4] += late
    events, queries = one_group(time, visible_at, time)
    frames = build(cpu, events, queries, ("since", time - 3), own=time)
    assert replay(frames) == sorted_members(frames)
    assert [each[-1] for each in members(frames)] == time.tolist()


@pytest.mark.parametrize("late", [0, 30], ids=["ordered", "late"])
@pytest.mark.parametrize(("n_events", "n_queries"), [(0, 0), (0, 3), (3, 0)])
def test_windows_over_nothing_are_empty(n_events, n_queries, late):
    events, queries = one_group(range(n_events), range(1, n_events + 1), range(n_queries))
    events = dataclasses.replace(events, ordered=not late)
    for bound in (("since", np.zeros(n_queries, np.int64)), ("newest", 2), ("session", 5)):
        frames = build(cpu, events, queries, bound)
        assert replay(frames) == [[]] * n_queries
        assert not len(frames.moves)


def test_a_late_event_joins_two_sessions():
    """Until the event at 5 is known, the gap of 10 between its neighbours is a pause."""
    events, queries = one_group([0, 5, 10], [1, 14, 11], [12, 13, 14, 15])
    frames = build(cpu, events, queries, ("session", 5))
    assert members(frames) == [[2], [2], [0, 1, 2], [0, 1, 2]]
    assert replay(frames) == members(frames)


def test_bounds_at_the_ends_of_time_do_not_overflow():
    ends = [-MAX_TIME_US + 1, MAX_TIME_US - 1]
    events, queries = one_group(ends, [ends[0] + 1, MAX_TIME_US], [*ends, MAX_TIME_US])
    assert members(build(cpu, events, queries, ("since", np.full(3, FAR[0])))) == [[], [0], [0, 1]]
    assert members(build(cpu, events, queries, ("session", 2 * MAX_TIME_US))) == [[], [0], [0, 1]]
