"""Tables as nobody could have known them: what a query must not see is removed, scrambled or added to.

Written from the views' definitions alone, without the executor: it is what the executor is checked against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.features.plan import FeaturePlan, WindowStep
from headrace.features.planning.reads import reads
from headrace.features.views import EventView, StateView

if TYPE_CHECKING:
    import numpy.typing as npt

_FAR_US = 100 * 365 * 86_400_000_000
View = EventView | StateView


def visible(view: View, table: pa.Table, query_time_us: int, *, peers: bool) -> npt.NDArray[np.bool_]:
    """Which rows a query may see: bool[n_rows].

    An event with `available_at`: available_at + delay <= q. Without: event_time + delay < q, or <= q with `peers`. A
    state: valid_from + delay <= q; always where it has no `valid_from`.
    """
    if isinstance(view, StateView):
        if view.valid_from is None:
            return np.ones(table.num_rows, dtype=bool)
        return _known(table, view.valid_from, query_time_us - view.delay_us)
    if view.available_at is not None:
        return _known(table, view.available_at, query_time_us - view.delay_us)
    return _known(table, view.event_time, query_time_us - view.delay_us - (not peers))


def without_future(plan: FeaturePlan, tables: Mapping[str, pa.Table], query_time_us: int) -> dict[str, pa.Table]:
    """The tables without the rows that no view may show at a query time."""
    kept = {}
    for name, table in tables.items():
        views = views_of(plan, name)
        if views:
            seen = _seen(plan, views, table, query_time_us)
            table = table.filter(pa.array(seen))  # noqa: PLW2901
        kept[name] = table
    return kept


def with_scrambled_future(
    plan: FeaturePlan, tables: Mapping[str, pa.Table], query_time_us: int, random: np.random.Generator
) -> dict[str, pa.Table]:
    """The tables with other values wherever no view that reads the column may show the row at a query time.

    Values are dealt out anew among the rows nobody may see; times and the keys of states stay, so they stay unseen.
    """
    scrambled = {}
    for name, table in tables.items():
        fixed = _keys_and_times(plan, name)
        for column in table.column_names:
            readers = [view for view in views_of(plan, name) if column in _columns_read(plan, view)]
            if column in fixed or not readers:
                continue
            seen = _seen(plan, readers, table, query_time_us)
            order = np.arange(table.num_rows)
            unseen = np.flatnonzero(~seen)
            order[unseen] = random.permutation(unseen)
            values = table.column(column).take(pa.array(order))
            table = table.set_column(table.column_names.index(column), column, values)  # noqa: PLW2901
        scrambled[name] = table
    return scrambled


def with_more_future(plan: FeaturePlan, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables, each followed by its rows a century later; those that hold something timeless unchanged."""
    longer = {}
    for name, table in tables.items():
        views = views_of(plan, name)
        times = {column for view in views for column in _times(view)}
        timeless = not views or any(not _times(view) for view in views)
        longer[name] = table if timeless else pa.concat_tables([table, _later(table, times)])
    return longer


def views_of(plan: FeaturePlan, table: str) -> list[View]:
    """The views of a stored table."""
    views: list[View] = [*plan.event_views.values(), *plan.state_views.values()]
    return [view for view in views if view.table == table]


def _seen(plan: FeaturePlan, views: Sequence[View], table: pa.Table, query_time_us: int) -> npt.NDArray[np.bool_]:
    """Which rows at least one of the views may show."""
    peers = {
        spec.step.view
        for spec in (*plan.features, *plan.intermediates)
        if isinstance(spec.step, WindowStep) and spec.step.span.closed in {"right", "both"}
    }
    shown = [visible(view, table, query_time_us, peers=view.name in peers) for view in views]
    either: npt.NDArray[np.bool_] = np.logical_or.reduce(shown)
    return either


def _known(table: pa.Table, column: str, latest_us: int) -> npt.NDArray[np.bool_]:
    times = table.column(column).cast(pa.int64())
    known: npt.NDArray[np.bool_] = pc.fill_null(pc.less_equal(times, latest_us), fill_value=False).to_numpy()
    return known


def _later(table: pa.Table, times: set[str]) -> pa.Table:
    for index, column in enumerate(table.column_names):
        if column in times:
            values = table.column(column)
            later = pc.add(values.cast(pa.int64()), _FAR_US).cast(values.type)
            table = table.set_column(index, column, later)
    return table


def _times(view: View) -> list[str]:
    if isinstance(view, StateView):
        return [view.valid_from] if view.valid_from is not None else []
    return [view.event_time, *([view.available_at] if view.available_at is not None else [])]


def _keys_and_times(plan: FeaturePlan, table: str) -> set[str]:
    fixed = {column for view in views_of(plan, table) for column in _times(view)}
    fixed |= {column for view in plan.state_views.values() if view.table == table for column in view.keys}
    return fixed


def _columns_read(plan: FeaturePlan, view: View) -> set[str]:
    """Columns of the view's table that features read through this view."""
    found: set[str] = set()
    for spec in (*plan.features, *plan.intermediates):
        step = reads(plan, [spec.step])
        if view.name in (step.event_views if isinstance(view, EventView) else step.state_views):
            found |= {column for table, column in step.columns if table == view.table}
    return found
