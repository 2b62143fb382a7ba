"""The executor: what the features share is built once, then every piece of work writes its own cells of the matrix.

Two rounds of tasks on one pool of threads: first groupings, prefix sums and matches, then the cells. No task reads what
another writes, so neither their order nor the number of threads can change a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from headrace.core.errors import DefinitionError, InvalidInputError, did_you_mean
from headrace.core.progress import Progress, Step
from headrace.features.calendar_run import write_calendar
from headrace.features.evaluation import evaluate
from headrace.features.expressions import Column, Expression, StateColumn, leaves
from headrace.features.keys import encode_keys
from headrace.features.matrix import FeatureMatrix
from headrace.features.plan import CalendarStep, ExpressionStep, FeaturePlan, StateStep, WindowStep
from headrace.features.state_run import match_states, take_states, write_states
from headrace.features.table_columns import TableColumns, as_float32
from headrace.features.window_run import PreparedBlock, Spine, WindowBlock, view_times
from headrace_kernels.dtypes import Matrix, Positions, Times

_Result = TypeVar("_Result")
_StateKey = tuple[str, tuple[str, ...], int | None]
_TILE_ROWS = 16_384
_TILE_ROWS_PER_KEY = 16


def run_plan(
    plan: FeaturePlan, tables: Mapping[str, pa.Table], *, spine: pa.Table | None, threads: int, progress: Progress
) -> FeatureMatrix:
    """Run a plan; `compute` documents it."""
    if threads < 1:
        raise InvalidInputError(f"threads is {threads}; it must be at least 1")
    if plan.intermediates or plan.encoders:
        raise DefinitionError(f"plan '{plan.name}' has features that read other features, which cannot be run yet")
    columns, spine_columns = _columns(plan, tables, spine)
    query_time = _query_time(plan, spine_columns)
    asking = Spine(spine_columns, query_time, spine_columns.time_order(plan.at.column))
    out = np.empty((spine_columns.n_rows, len(plan.features)), dtype=np.float32)
    with progress.step(f"features of {plan.name}") as step, ThreadPoolExecutor(threads) as pool:
        _Run(plan, columns, asking, out, threads).run(pool, step)
    return FeatureMatrix(plan.feature_names, out, query_time)


class _Run:
    """One execution of a plan."""

    def __init__(
        self, plan: FeaturePlan, columns: Mapping[str, TableColumns], spine: Spine, out: Matrix, threads: int
    ) -> None:
        self.plan = plan
        self.columns = columns
        self.spine = spine
        self.out = out
        self.threads = threads
        self.matches: dict[_StateKey, Positions] = {}

    def run(self, pool: ThreadPoolExecutor, step: Step) -> None:
        """Write every column of the matrix."""
        step.note("grouping")
        blocks = self._window_blocks()
        views = {block.view.name: (block.view, block.events) for block in blocks}
        ordering = {name: pool.submit(view_times, view, events) for name, (view, events) in views.items()}
        keys = {_key_of(block): (block.events, block.by, self.spine.columns, block.on) for block in blocks}
        encoding = {key: pool.submit(encode_keys, *columns) for key, columns in keys.items()}
        states = {key: pool.submit(self._match, key) for key in self._state_keys()}
        times = {name: order.result() for name, order in ordering.items()}
        codes = {key: encoded.result() for key, encoded in encoding.items()}
        preparing = [
            pool.submit(block.prepare, times[block.view.name], codes[_key_of(block)], self.spine, self.out)
            for block in blocks
        ]
        self.matches = {key: match.result() for key, match in states.items()}
        step.note("writing")
        writing = [pool.submit(task) for task in self._other_tasks()]
        writing += [pool.submit(task) for task in _tile_tasks(_results(preparing), self.spine.order, self.threads)]
        _results(writing)

    def _window_blocks(self) -> list[WindowBlock]:
        grouped: dict[tuple[Any, ...], list[tuple[WindowStep, int]]] = {}
        for slot, feature in enumerate(self.plan.features):
            if isinstance(feature.step, WindowStep):
                grouped.setdefault((feature.step.view, feature.step.by, feature.step.on), []).append(
                    (feature.step, slot)
                )
        views = self.plan.event_views
        return [
            WindowBlock(
                views[name], self.columns[views[name].table], [step for step, _ in chosen], [slot for _, slot in chosen]
            )
            for (name, _, _), chosen in grouped.items()
        ]

    def _state_keys(self) -> list[_StateKey]:
        keys: list[_StateKey] = []
        for feature in self.plan.features:
            if isinstance(feature.step, StateStep):
                keys.append((feature.step.view, feature.step.on, feature.step.tolerance_us))
            elif isinstance(feature.step, ExpressionStep):
                keys += [_state_key(leaf) for leaf in leaves(feature.step.expression) if isinstance(leaf, StateColumn)]
        return list(dict.fromkeys(keys))

    def _match(self, key: _StateKey) -> Positions:
        view = self.plan.state_views[key[0]]
        return match_states(view, self.columns[view.table], key[1], key[2], self.spine)

    def _other_tasks(self) -> Iterator[Callable[[], None]]:
        states: dict[_StateKey, list[tuple[str, int]]] = {}
        calendars: dict[tuple[str, str], list[tuple[CalendarStep, int]]] = {}
        for slot, feature in enumerate(self.plan.features):
            step = feature.step
            if isinstance(step, StateStep):
                states.setdefault((step.view, step.on, step.tolerance_us), []).append((step.column, slot))
            elif isinstance(step, CalendarStep):
                calendars.setdefault((step.column, step.tz), []).append((step, slot))
            elif isinstance(step, ExpressionStep):
                yield partial(self._write_expression, step.expression, slot)
        for key, pairs in states.items():
            table = self.columns[self.plan.state_views[key[0]].table]
            names, slots = [name for name, _ in pairs], [slot for _, slot in pairs]
            yield partial(write_states, table, names, self.matches[key], slots, self.out)
        for (column, _), chosen in calendars.items():
            times, valid = self.spine.columns.times(column)
            steps, slots = [step for step, _ in chosen], [slot for _, slot in chosen]
            yield partial(write_calendar, times, valid, steps, slots, self.out)

    def _write_expression(self, expression: Expression, slot: int) -> None:
        def resolve(leaf: Expression) -> Any:
            if isinstance(leaf, Column):
                return self.spine.columns.arrow(leaf.name)
            if isinstance(leaf, StateColumn):
                return take_states(self.columns[leaf.view.table], leaf.column, self.matches[_state_key(leaf)])
            return pa.array(self.spine.query_time).cast(pa.timestamp("us", "UTC"))

        self.out[:, slot] = as_float32(evaluate(expression, resolve, len(self.out)))


def _columns(
    plan: FeaturePlan, tables: Mapping[str, pa.Table], spine: pa.Table | None
) -> tuple[dict[str, TableColumns], TableColumns]:
    """The tables that views read, by name, and the spine's columns: the same object where the spine is such a table."""
    needed = {view.table for view in plan.event_views.values()} | {view.table for view in plan.state_views.values()}
    for name in sorted(needed | ({plan.spine} if spine is None else set())):
        if name not in tables:
            raise InvalidInputError(
                f"plan '{plan.name}' reads table '{name}', which was not given", hint=did_you_mean(name, tables)
            )
    columns = {name: TableColumns(name, tables[name], plan.columns[name]) for name in sorted(needed)}
    asking = tables[plan.spine] if spine is None else spine
    if plan.spine in columns and asking is tables[plan.spine]:
        return columns, columns[plan.spine]
    return columns, TableColumns(plan.spine, asking, plan.columns[plan.spine])


def _query_time(plan: FeaturePlan, spine: TableColumns) -> Times:
    times, valid = spine.times(plan.at.column)
    if valid is not None:
        missing = int((~valid).sum())
        raise InvalidInputError(
            f"{missing:,} rows of '{plan.spine}' have no query time: column '{plan.at.column}' is null there, "
            f"first in row {int(np.argmin(valid)):,}",
            hint="leave such rows out: without a time there is nothing to be known",
        )
    return times + plan.at.offset_us


def _tile_tasks(blocks: Sequence[PreparedBlock], order: Positions, threads: int) -> Iterator[Callable[[], None]]:
    """Cut the rows, in the order of query times, into tiles, at least one for each thread.

    Blocks of few keys share tiles whose rows of the matrix stay in the cache. A block of many keys has larger tiles of
    its own: it reads the events of a key once a tile, and there the events are what the cache has to hold.
    """
    shared: dict[int, list[PreparedBlock]] = {}
    for block in blocks:
        tile_rows = max(_TILE_ROWS, _TILE_ROWS_PER_KEY * block.n_keys)
        shared.setdefault(max(threads, -(-len(order) // tile_rows)), []).append(block)
    for parts, together in shared.items():
        for rows in np.array_split(order, parts):
            yield partial(_write_tile, together, rows)


def _write_tile(blocks: Sequence[PreparedBlock], rows: Positions) -> None:
    for block in blocks:
        block.write(rows)


def _key_of(block: WindowBlock) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return block.view.table, block.by, block.on


def _state_key(leaf: StateColumn) -> _StateKey:
    return leaf.view.name, leaf.on, leaf.tolerance_us


def _results(futures: Sequence[Future[_Result]]) -> list[_Result]:
    """All results, in order; the first error cancels what has not begun."""
    try:
        return [future.result() for future in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        raise
