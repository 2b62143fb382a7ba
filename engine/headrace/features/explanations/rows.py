"""Find the rows behind one value with Arrow and Python alone: no kernel takes part, so the two can be compared."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from headrace.features.executor.evaluation import evaluate_on_table
from headrace.features.explanations.spans import inside_span
from headrace.features.plan import FeaturePlan, StateStep, Step, WindowStep
from headrace.features.views import EventView


def rows_behind(
    plan: FeaturePlan, step: Step, tables: Mapping[str, pa.Table], asking: pa.Table, query_time_us: int
) -> pa.Table:
    """Rows of the table a feature reads that made its value, in the order they count in.

    Args:
        plan: the plan.
        step: the feature's step.
        tables: stored tables by name.
        asking: the spine row, a table of one row.
        query_time_us: its query time.
    """
    if isinstance(step, WindowStep):
        return _window_rows(plan.event_views[step.view], step, tables, asking, query_time_us)
    if isinstance(step, StateStep):
        return _state_rows(plan, step, tables, asking, query_time_us)
    return asking


def _window_rows(
    view: EventView, step: WindowStep, tables: Mapping[str, pa.Table], asking: pa.Table, query_time_us: int
) -> pa.Table:
    events = tables[view.table]
    times = _microseconds(events, view.event_time)
    known = pc.add(_microseconds(events, view.available_at or view.event_time), view.delay_us)
    happened = pc.less_equal if step.span.closed in {"right", "both"} else pc.less
    conditions = [pc.less_equal(known, query_time_us), happened(times, query_time_us)]
    conditions += _same_key(events, step.by, asking, step.on)
    if step.where is not None:
        conditions.append(evaluate_on_table(step.where, events))
    order = _order(view, events, times, known)
    seen = _filtered(events.take(order), [condition.take(order) for condition in conditions])
    places = inside_span(step.span, _microseconds(seen, view.event_time).to_pylist(), query_time_us)
    found = seen.take(pa.array(places, pa.int64()))
    return pa.concat_tables([found, _current(step, asking, found)]) if step.span.include_current else found


def _current(step: WindowStep, asking: pa.Table, like: pa.Table) -> pa.Table:
    """The row itself, where it has a key and satisfies the condition."""
    row = asking.select(like.column_names)
    if any(not row.column(name)[0].is_valid for name in step.on):
        return row.slice(0, 0)
    return row if step.where is None else row.filter(evaluate_on_table(step.where, row))


def _state_rows(
    plan: FeaturePlan, step: StateStep, tables: Mapping[str, pa.Table], asking: pa.Table, query_time_us: int
) -> pa.Table:
    state = plan.state_views[step.view]
    rows = tables[state.table]
    conditions = _same_key(rows, state.keys, asking, step.on)
    if state.valid_from is None:
        return _last(_filtered(rows, conditions))
    known = pc.add(_microseconds(rows, state.valid_from), state.delay_us)
    conditions.append(pc.less_equal(known, query_time_us))
    last = _last(_filtered(rows, conditions).sort_by(state.valid_from))
    if step.tolerance_us is None:
        return last
    oldest = query_time_us - step.tolerance_us
    return last.filter(pc.greater_equal(_microseconds(last, state.valid_from), oldest))


def _order(view: EventView, events: pa.Table, times: pa.ChunkedArray, known: pa.ChunkedArray) -> pa.Array:
    keys = {"time": times, "known": known, "position": pa.array(range(events.num_rows), pa.int64())}
    if view.sequence is not None:
        keys["sequence"] = events.column(view.sequence)
    names = ["time", "known", *(["sequence"] if view.sequence is not None else []), "position"]
    return pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in names])


def _same_key(rows: pa.Table, by: Sequence[str], asking: pa.Table, on: Sequence[str]) -> list[pa.ChunkedArray]:
    return [pc.equal(rows.column(mine), asking.column(theirs)[0]) for mine, theirs in zip(by, on, strict=True)]


def _filtered(rows: pa.Table, conditions: Sequence[pa.ChunkedArray]) -> pa.Table:
    return rows.filter(functools.reduce(pc.and_kleene, conditions))


def _last(rows: pa.Table) -> pa.Table:
    return rows.slice(max(rows.num_rows - 1, 0))


def _microseconds(rows: pa.Table, column: str) -> pa.ChunkedArray:
    return pc.cast(pc.cast(rows.column(column), pa.timestamp("us", "UTC")), pa.int64())
