"""Windows for the tests of statistics: few keys and times, so that ties, late knowledge and emptiness are common."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pytest
from hypothesis import strategies as st

from headrace_kernels.arrays import GroupedEvents, GroupedQueries, Groups, ValueColumn, WindowFrames
from headrace_kernels.reference import frames as bounds
from headrace_kernels.reference.membership import members

N_KEYS = 3
ADVERSARIAL = [
    0.0,
    -0.0,
    1.0,
    1e16,
    -1e16,
    15.5,
    5e-324,
    2.0**-30,
    0.1,
    1.7e308,
    -1.7e308,
    math.nan,
    math.inf,
    -math.inf,
]
HARMLESS = [0.0, -0.0, 1.0, -3.0, 0.25, 1e16, -1e16, 7.0]


@dataclass(frozen=True)
class FrameCase:
    """Events and queries in table order; windows [q - width, q), or the `newest` visible events where that is not 0."""

    codes: np.ndarray
    time: np.ndarray
    visible_at: np.ndarray
    categories: np.ndarray
    columns: tuple[ValueColumn, ...]
    query_codes: np.ndarray
    query_time: np.ndarray
    own: np.ndarray
    width: int
    newest: int

    @cached_property
    def order(self):
        """Row of each place."""
        rows = np.lexsort((self.visible_at, self.time, self.codes))
        return rows[self.codes[rows] >= 0]

    @cached_property
    def query_order(self):
        """Row of each grouped query."""
        return np.lexsort((self.query_time, self.query_codes))

    @cached_property
    def frames(self) -> WindowFrames:
        events_of = [np.sort(self.codes)[np.sort(self.codes) >= 0], np.sort(self.query_codes)]
        starts = [np.searchsorted(codes, np.arange(N_KEYS + 1)).astype(np.int64) for codes in events_of]
        time, visible_at = self.time[self.order], self.visible_at[self.order]
        ordered = all(
            (np.diff(visible_at[low:high]) >= 0).all() for low, high in zip(starts[0], starts[0][1:], strict=False)
        )
        events = GroupedEvents(Groups(starts[0], self.order), time, visible_at, ordered)
        queries = GroupedQueries(Groups(starts[1], self.query_order), self.query_time[self.query_order])
        last = bounds.bound_visible(events, queries)
        if self.newest:
            first = bounds.bound_newest(events, queries, self.newest, last)
        else:
            first = bounds.bound_since(events, queries, queries.time - self.width, last)
        extra = self._extra(events, queries, first, last)
        return WindowFrames(
            events, queries, first, last, extra, *bounds.window_moves(events, queries, first, last, extra)
        )

    def _extra(self, events, queries, first, last):
        """Places of the queries' own events where they have one of their key that is not in the window anyway."""
        if not len(self.own):
            return np.zeros(0, dtype=np.int64)
        place_of = np.full(len(self.codes) + 1, -1, dtype=np.int64)
        place_of[self.order] = np.arange(len(self.order))
        extra = place_of[self.own[self.query_order]]
        for query, place in enumerate(extra):
            key = self.query_codes[self.query_order[query]]
            inside = first[query] <= place < last[query] and events.visible_at[place] <= queries.time[query]
            if place >= 0 and (
                inside or self.codes[self.order[place]] != key or events.time[place] > queries.time[query]
            ):
                extra[query] = -1
        return extra

    def column(self, index=0) -> ValueColumn:
        """A value column by place."""
        held = self.columns[index]
        return ValueColumn(held.values[self.order], None if held.valid is None else held.valid[self.order], held.bits)

    def compute(self, aggregate, requests, *arguments):
        """float64[n_requests, n_queries] in the queries' table order; an argument may be a function of the case."""
        out = np.full((len(requests), len(self.query_time)), -7.0)
        aggregate(self.frames, *(each(self) if callable(each) else each for each in arguments), requests, out)
        result = np.empty_like(out)
        result[:, self.query_order] = out
        return result

    def take(self, rows):
        """The case with some of its events, in the order of `rows`."""
        moved = np.full(len(self.codes) + 1, -1, dtype=np.int64)
        moved[rows] = np.arange(len(rows))
        columns = tuple(
            ValueColumn(c.values[rows], None if c.valid is None else c.valid[rows], c.bits) for c in self.columns
        )
        return replace(
            self, codes=self.codes[rows], time=self.time[rows], visible_at=self.visible_at[rows],
            categories=self.categories[rows], columns=columns, own=moved[self.own],
        )  # fmt: skip

    def alone(self, query):
        """One query, and of the events those in its window."""
        inside = members(self.frames)[int(np.flatnonzero(self.query_order == query)[0])]
        chosen = self.take(np.sort(self.order[inside].astype(np.int64)))
        own = chosen.own[query : query + 1] if len(self.own) else self.own
        return replace(
            chosen, query_codes=self.query_codes[query : query + 1], query_time=self.query_time[query : query + 1],
            own=own,
        )  # fmt: skip

    def with_future(self):
        """The case with every event once more, known only after the last query, with whatever values it has."""
        doubled = self.take(np.concatenate([np.arange(len(self.codes))] * 2))
        later = self.visible_at + 1000
        time = np.concatenate([self.time, self.time + 1000])
        return replace(doubled, time=time, visible_at=np.concatenate([self.visible_at, later]), own=self.own)

    @property
    def has_ties(self):
        """Whether the order of two events of a key is the order of their rows."""
        stacked = np.stack([self.codes, self.time, self.visible_at])
        return len(np.unique(stacked, axis=1).T) < len(self.codes)


@st.composite
def _cases(draw, *, integers=None, special=True, bits=(0, 1, -3)):
    n_events, n_queries = draw(st.integers(0, 30)), draw(st.integers(0, 12))

    def array(elements, n, dtype=np.int64):
        return np.array(draw(st.lists(elements, min_size=n, max_size=n)), dtype=dtype)

    def column():
        valid = array(st.booleans(), n_events, np.bool_) if draw(st.booleans()) else None
        if draw(st.booleans()) if integers is None else integers:
            return ValueColumn(array(st.integers(-(2**55), 2**55) | st.integers(-2, 2), n_events), valid, 0)
        floats = st.sampled_from(ADVERSARIAL if special else HARMLESS) | st.floats(-1e9, 1e9)
        return ValueColumn(array(floats, n_events, np.float64), valid, draw(st.sampled_from(bits)))

    time = array(st.integers(-5, 15), n_events)
    lag = draw(st.sampled_from([0, 10]))
    own = array(st.integers(-1, n_events - 1), n_queries) if draw(st.booleans()) else np.zeros(0, np.int64)
    return FrameCase(
        codes=array(st.integers(-1, N_KEYS - 1), n_events, np.int32), time=time,
        visible_at=time + array(st.integers(1, 1 + lag), n_events),
        categories=array(st.integers(-1, 4), n_events, np.int32), columns=(column(), column()),
        query_codes=array(st.integers(0, N_KEYS - 1), n_queries, np.int32),
        query_time=array(st.integers(-5, 20), n_queries), own=own,
        width=draw(st.sampled_from([1, 4, 1000])), newest=draw(st.sampled_from([0, 0, 1, 3])),
    )  # fmt: skip


@pytest.fixture(scope="session")
def frame_cases():
    """Strategy of windows: `integers` fixes the columns' type, without `special` sums of values stay in exact range."""
    return _cases


@pytest.fixture(scope="session")
def one_key():
    """One key's events as a case: `one_key(time, query_time, *columns, width=...)`, all visible after their time."""

    def build(time, query_time, *columns, categories=None, width=2**40):
        time, query_time = np.asarray(time, dtype=np.int64), np.asarray(query_time, dtype=np.int64)
        return FrameCase(
            np.zeros(len(time), np.int32), time, time + 1,
            np.zeros(len(time), np.int32) if categories is None else np.asarray(categories, np.int32),
            tuple(ValueColumn(np.asarray(column), None, 0) for column in columns),
            np.zeros(len(query_time), np.int32), query_time, np.zeros(0, np.int64), width, 0,
        )  # fmt: skip

    return build


@pytest.fixture(scope="session")
def assert_same_floats():
    """Equal float64 bits; every NaN is the same."""

    def check(left, right):
        assert left.shape == right.shape
        same = (left.view(np.uint64) == right.view(np.uint64)) | (np.isnan(left) & np.isnan(right))
        assert same.all(), f"cells {np.argwhere(~same).tolist()}: {left[~same]} and {right[~same]}"

    return check


@pytest.fixture(scope="session")
def assert_window_alone(assert_same_floats):
    """Every query gets what it gets among its window's events alone, and future events change nothing."""

    def check(case, compute):
        together = compute(case)
        assert_same_floats(compute(case.with_future()), together)
        for query in range(len(case.query_time)):
            assert_same_floats(compute(case.alone(query)), together[:, query : query + 1])

    return check
