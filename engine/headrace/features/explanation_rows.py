"""Find the rows behind one value with Arrow filters alone: no kernel takes part, so the two can be compared."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from headrace.features.plan import FeaturePlan, StateStep, Step, WindowStep


def rows_behind(
    plan: FeaturePlan, step: Step, tables: Mapping[str, pa.Table], asking: pa.Table, query_time_us: int
) -> pa.Table:
    """Rows of the table a feature reads that made its value, in time order.

    Args:
        plan: the plan.
        step: the feature's step.
        tables: stored tables by name.
        asking: the spine row, a table of one row.
        query_time_us: its query time.
    """
    if isinstance(step, WindowStep):
        view = plan.event_views[step.view]
        events = tables[view.table]
        time = _microseconds(events, view.event_time)
        known = pc.add(_microseconds(events, view.available_at or view.event_time), view.delay_us)
        inside = [
            _same_key(events, step.by, asking, step.on),
            pc.less_equal(known, query_time_us),
            pc.less(time, query_time_us),
            pc.greater_equal(time, query_time_us - (step.span.width_us or 0)),
        ]
        return _filtered(events, inside).sort_by(view.event_time)
    if isinstance(step, StateStep):
        state = plan.state_views[step.view]
        rows = tables[state.table]
        conditions = [_same_key(rows, state.keys, asking, step.on)]
        if state.valid_from is None:
            return _last(_filtered(rows, conditions))
        known = pc.add(_microseconds(rows, state.valid_from), state.delay_us)
        conditions.append(pc.less_equal(known, query_time_us))
        last = _last(_filtered(rows, conditions).sort_by(state.valid_from))
        if step.tolerance_us is None:
            return last
        oldest = query_time_us - step.tolerance_us
        return last.filter(pc.greater_equal(_microseconds(last, state.valid_from), oldest))
    return asking


def _same_key(rows: pa.Table, by: Sequence[str], asking: pa.Table, on: Sequence[str]) -> pa.ChunkedArray:
    same = [pc.equal(rows.column(mine), asking.column(theirs)[0]) for mine, theirs in zip(by, on, strict=True)]
    return functools.reduce(pc.and_kleene, same)


def _filtered(rows: pa.Table, conditions: Sequence[pa.ChunkedArray]) -> pa.Table:
    return rows.filter(functools.reduce(pc.and_kleene, conditions))


def _last(rows: pa.Table) -> pa.Table:
    return rows.slice(max(rows.num_rows - 1, 0))


def _microseconds(rows: pa.Table, column: str) -> pa.ChunkedArray:
    return pc.cast(pc.cast(rows.column(column), pa.timestamp("us", "UTC")), pa.int64())
