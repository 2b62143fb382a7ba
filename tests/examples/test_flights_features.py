"""The demo's features on the real flights: nothing from the future, equal to plain Python, the same in any order."""

from __future__ import annotations

import bisect
import math
import statistics
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import headrace.features as hr
from headrace.data import TableStore, ingest, table_dtypes
from headrace.features.plan import CalendarStep, StateStep, WindowStep
from headrace.pipeline.project import load_project

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
SAMPLE = 1_000


@pytest.fixture(scope="module")
def project():
    before = list(sys.path)
    yield load_project(EXAMPLE)[0]
    sys.path[:] = before


@pytest.fixture(scope="module")
def tables(project, tmp_path_factory):
    store = TableStore(tmp_path_factory.mktemp("tables"))
    for name, source in project.sources.items():
        ingest(source, store, name)
    return {name: store.read(name) for name in project.sources}


@pytest.fixture(scope="module")
def plan(project, tables):
    return hr.compile_plan(project.model.features, {name: table_dtypes(table) for name, table in tables.items()})


@pytest.fixture(scope="module")
def matrix(plan, tables):
    return hr.compute(plan, tables)


def same_bits(left, right):
    return bool(((left.view(np.uint32) == right.view(np.uint32)) | (np.isnan(left) & np.isnan(right))).all())


def test_there_are_as_many_features_and_rows_as_promised(plan, matrix):
    assert matrix.values.shape == (336_776, len(plan.features))
    assert len(plan.features) >= 60
    assert sum(feature.role == "window" for feature in plan.features) >= 40
    assert str(plan.at) == "departs_at - 2h"


def test_no_feature_is_the_same_in_every_row(plan, matrix):
    for name in plan.feature_names:
        known = matrix.column(name)[~np.isnan(matrix.column(name))]
        assert len(known), name
        assert known.min() < known.max(), name


def test_a_thousand_values_equal_a_recomputation_in_plain_python(plan, tables, matrix):
    plain = PlainPython(plan, tables)
    random = np.random.default_rng(2013)
    checked = 0
    while checked < SAMPLE:
        row, feature = int(random.integers(len(matrix.values))), plan.features[random.integers(len(plan.features))]
        if isinstance(feature.step, WindowStep):
            expected = plain.window(row, feature.step)
        elif isinstance(feature.step, StateStep):
            expected = plain.state(row, feature.step)
        elif isinstance(feature.step, CalendarStep) or feature.role == "derived":
            continue  # tested against Polars and the row itself in tests/features
        else:
            expected = tables[plan.spine][feature.name][row].as_py()
        got = matrix.column(feature.name)[row]
        expected = np.float32(math.nan if expected is None else expected)
        assert got == expected or (math.isnan(got) and math.isnan(expected)), (feature.name, row, got, expected)
        checked += 1


@pytest.mark.parametrize("moment", ["2013-02-09T12:00", "2013-06-30T22:00", "2013-11-28T05:00"])
def test_what_becomes_known_later_changes_no_feature(plan, tables, matrix, moment):
    """The leak test: everything that became known after the moment is replaced by nonsense."""
    now = int(np.datetime64(moment, "us").astype(np.int64))
    changed = dict(tables)
    for (table, column), hidden in _hidden_cells(plan, tables, now).items():
        changed[table] = _replaced(changed[table], column, hidden, 77_777)
    for table, column in _event_times(plan):  # what happens after the moment happens at another time after it
        changed[table] = _replaced(changed[table], column, _later(tables[table], column, now), now + 1)
    rows = np.flatnonzero((matrix.query_time <= now) & (matrix.query_time > now - 10 * 86_400_000_000))
    assert len(rows) > 5_000
    after = hr.compute(plan, changed, spine=tables[plan.spine].take(rows))
    differing = [name for name in plan.feature_names if not same_bits(after.column(name), matrix.column(name)[rows])]
    assert not differing
    assert not same_bits(hr.compute(plan, changed).values, matrix.values)  # the nonsense is there to be seen


def test_a_selection_of_flights_and_any_number_of_threads_give_the_same_bits(plan, tables, matrix):
    rows = np.random.default_rng(0).permutation(len(matrix.values))[:2_000]
    alone = hr.compute(plan, tables, spine=tables[plan.spine].take(rows))
    assert same_bits(alone.values, matrix.values[rows])
    assert same_bits(hr.compute(plan, tables, threads=1).values, matrix.values)


def test_the_features_take_less_than_three_seconds(plan, tables, matrix):
    """CPU seconds of all threads, kernels warm: a lenient bound, since other tests may share the machine."""
    started = time.process_time()
    hr.compute(plan, tables)
    assert time.process_time() - started < 3.0


class PlainPython:
    """Lists, loops and bisection: the definitions of the features, and nothing of their implementation."""

    def __init__(self, plan, tables):
        self.plan = plan
        self.columns = {name: {c: _python(table[c]) for c in plan.columns[name]} for name, table in tables.items()}
        self.groups, self.orders = {}, {}

    def window(self, row, step):
        view = self.plan.event_views[step.view]
        events, now, key = self.columns[view.table], self.now(row), self.key(row, step.on)
        if None in key:
            return None if step.statistic not in {"count", "count_non_null"} else 0.0
        oldest = now - step.span.width_us
        times, rows = self.group(view.table, step.by, view.event_time).get(key, ([], []))
        seen = []
        for event in rows[bisect.bisect_left(times, oldest) : bisect.bisect_left(times, now)]:
            known = events[view.available_at or view.event_time][event]
            if known is not None and known + view.delay_us <= now:
                seen.append(event)
        if not step.columns:
            return float(len(seen))
        column = events[step.columns[0].name]
        values = [column[event] for event in seen if column[event] is not None]
        return plain_statistic(values, step)

    def state(self, row, step):
        view = self.plan.state_views[step.view]
        states, now, key = self.columns[view.table], self.now(row), self.key(row, step.on)
        if view.valid_from is None:
            _, rows = self.group(view.table, view.keys, None).get(key, ([], []))
            return states[step.column][rows[-1]] if rows else None
        times, rows = self.group(view.table, view.keys, view.valid_from).get(key, ([], []))
        place = bisect.bisect_right(times, now - view.delay_us)
        if place == 0:
            return None
        if step.tolerance_us is not None and now - times[place - 1] > step.tolerance_us:
            return None
        return states[step.column][rows[place - 1]]

    def now(self, row):
        return self.columns[self.plan.spine][self.plan.at.column][row] + self.plan.at.offset_us

    def key(self, row, on):
        return tuple(self.columns[self.plan.spine][column][row] for column in on)

    def group(self, table, by, time):
        """Rows of each key in time order (in table order without a time), found once."""
        if (table, by, time) not in self.groups:
            columns, found = self.columns[table], {}
            for row in self.order(table, time):
                times, members = found.setdefault(tuple(columns[column][row] for column in by), ([], []))
                times.append(None if time is None else columns[time][row])
                members.append(row)
            self.groups[table, by, time] = found
        return self.groups[table, by, time]

    def order(self, table, time):
        if (table, time) not in self.orders:
            columns = self.columns[table]
            rows = range(len(next(iter(columns.values()))))
            if time is not None:
                rows = sorted((row for row in rows if columns[time][row] is not None), key=columns[time].__getitem__)
            self.orders[table, time] = rows
        return self.orders[table, time]


def plain_statistic(values, step):
    """Exact fractions and the standard library's statistics."""
    if step.statistic == "count_non_null":
        return float(len(values))
    if len(values) < (2 if step.statistic in {"var", "std"} else 1):
        return None
    scale = 2 ** step.resolution_bits[0]
    exact = [Fraction(round(value * scale), scale) for value in values]
    return {
        "sum": lambda: float(sum(exact)),
        "mean": lambda: float(sum(exact) / len(exact)),
        "var": lambda: float(statistics.variance(exact)),
        "std": lambda: float(statistics.stdev(exact)),
        "min": lambda: float(min(values)),
        "max": lambda: float(max(values)),
        "share": lambda: sum(value > step.parameter for value in values) / len(values),
    }[step.statistic]()


def _python(column):
    """A column as a list; times as microseconds."""
    return (pc.cast(column, pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()


def _hidden_cells(plan, tables, now):
    """Which cells no query up to now may see, by table and value column: unknown in every view that reads them."""
    hidden = {}
    for feature in plan.features:
        if isinstance(feature.step, WindowStep) and feature.step.columns:
            view, column = plan.event_views[feature.step.view], feature.step.columns[0].name
            known = view.available_at or view.event_time
        elif isinstance(feature.step, StateStep) and plan.state_views[feature.step.view].valid_from is not None:
            view, column = plan.state_views[feature.step.view], feature.step.column
            known = view.valid_from
        else:
            continue
        cells = view.table, column
        later = _later(tables[view.table], known, now - view.delay_us, nulls=True)
        hidden[cells] = pc.and_(hidden.get(cells, later), later)
    return hidden


def _event_times(plan):
    """Times of events, without the spine's own: a row is asked about at its query time, come what may."""
    views = plan.event_views.values()
    return {(view.table, view.available_at or view.event_time) for view in views} - {(plan.spine, plan.at.column)}


def _later(table, column, now, *, nulls=False):
    times = pc.cast(table[column].combine_chunks(), pa.int64())
    return pc.fill_null(pc.greater(times, now), fill_value=nulls)


def _replaced(table, column, where, value):
    kind = table.schema.field(column).type
    other = pa.array([value], pa.int64() if pa.types.is_timestamp(kind) else kind).cast(kind)[0]
    changed = pc.if_else(where, other, table[column].combine_chunks())
    return table.set_column(table.column_names.index(column), column, changed)
