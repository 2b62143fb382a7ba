"""The executor: what the features share is built once, then every piece of work writes its own cells of the matrix."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.core.errors import DefinitionError, InvalidInputError, did_you_mean
from headrace.core.progress import Progress
from headrace.features.executor.columns import TableColumns
from headrace.features.executor.key_groups import Block, KeyGroup, Target, Task
from headrace.features.executor.keys import KeyCodes, encode_keys
from headrace.features.executor.row_values import RowValues, state_leaves
from headrace.features.executor.spine import Spine
from headrace.features.executor.states import StateBlock, StateKey, state_key
from headrace.features.executor.windows import WindowBlock, block_key
from headrace.features.matrix import FeatureMatrix
from headrace.features.plan import (
    FeaturePlan,
    StateStep,
    WindowStep,
)
from headrace_kernels.dtypes import Matrix, Times

_GroupKey = tuple[str, tuple[str, ...], tuple[str, ...]]


def run_plan(
    plan: FeaturePlan,
    tables: Mapping[str, pa.Table],
    *,
    spine: pa.Table | None,
    out: Matrix | None,
    threads: int,
    progress: Progress,
) -> FeatureMatrix:
    """Run a plan; `compute` documents it."""
    if threads < 1:
        raise InvalidInputError(f"threads is {threads}; it must be at least 1")
    if not plan.is_fitted:
        unfitted = sorted(name for name, encoder in plan.encoders.items() if encoder.fitted is None)
        raise DefinitionError(
            f"plan '{plan.name}' holds encoders that are not fitted yet: {', '.join(unfitted)}",
            hint="plan = fit_plan(plan, tables, rows=training_rows)",
        )
    columns, spine_columns = _columns(plan, tables, spine)
    query_time = _query_time(plan, spine_columns)
    asking = Spine(spine_columns, query_time, plan.at.column, plan.at.offset_us)
    shape = (spine_columns.n_rows, len(plan.features))
    matrix = _checked_out(out, shape)
    extra = np.empty((shape[0], len(plan.intermediates)), dtype=np.float64)
    run = _Run(plan, columns, asking, Target(matrix, extra))
    with ThreadPoolExecutor(threads) as pool:
        run.run(pool, threads, progress)
    return FeatureMatrix(plan.feature_names, matrix, query_time)


class _Run:
    """One execution of a plan. Slots count the matrix's columns, then the intermediates."""

    def __init__(self, plan: FeaturePlan, columns: Mapping[str, TableColumns], spine: Spine, target: Target) -> None:
        self.plan = plan
        self.columns = dict(columns)
        self.spine = spine
        self.target = target
        self.specs = (*plan.features, *plan.intermediates)
        self.states: dict[StateKey, StateBlock] = {}

    def run(self, pool: ThreadPoolExecutor, threads: int, progress: Progress) -> None:
        """Write every column of the matrix."""
        groups = self._block_groups()
        total = len(groups) * self.spine.columns.n_rows
        with progress.step(f"features of {self.plan.name}", total=total or None) as step:

            def for_each(work: Callable[[int], None], count: int) -> None:
                if count == 1:
                    work(0)
                else:
                    _drain(pool, [_plain(work, index) for index in range(count)], 4 * threads)

            encoding = {key: pool.submit(self._encode, key) for key in groups}
            for key, blocks in groups.items():
                step.note(f"by {', '.join(key[2]) or 'nothing'}")
                group = KeyGroup(_result(encoding.pop(key), encoding.values()), blocks, self.spine, self.target)
                group.cut(for_each)
                _drain(pool, group.tasks(), 4 * threads)
                step.advance(self.spine.columns.n_rows)
                del group
            step.note("columns of the row")
            values = RowValues(self.plan, self.spine, self.target, self.states)
            _drain(pool, [_plain(task) for task in values.calendar_tasks()], 4 * threads)
            values.write_dependants(step)

    def _block_groups(self) -> dict[_GroupKey, list[Block]]:
        windows: dict[_GroupKey, dict[tuple[str, str, bool], list[tuple[WindowStep, int]]]] = {}
        states: dict[StateKey, list[tuple[str, int]]] = {}
        matched: set[StateKey] = set()
        for slot, spec in enumerate(self.specs):
            if isinstance(spec.step, WindowStep):
                table = self.plan.event_views[spec.step.view].table
                group = windows.setdefault((table, spec.step.by, spec.step.on), {})
                group.setdefault(block_key(spec.step), []).append((spec.step, slot))
            elif isinstance(spec.step, StateStep):
                key = (spec.step.view, spec.step.on, spec.step.tolerance_us)
                states.setdefault(key, []).append((spec.step.column, slot))
            for leaf in state_leaves(self.plan, spec):
                states.setdefault(state_key(leaf), [])
                matched.add(state_key(leaf))
        blocks: dict[_GroupKey, list[Block]] = {}
        for (table, by, on), members in windows.items():
            for steps in members.values():
                source, n_asking = self._events_of(table, steps)
                block = WindowBlock(self.plan.event_views[steps[0][0].view], self.columns[source], steps, n_asking)
                block.set_clocks(self.spine)
                blocks.setdefault((source, by, on), []).append(block)
        for asked, chosen in states.items():
            state_view = self.plan.state_views[asked[0]]
            state = StateBlock(state_view, self.columns[state_view.table], asked[2], chosen)
            if asked in matched:
                state.keep_matches(self.spine.columns.n_rows)
            self.states[asked] = state
            blocks.setdefault((state_view.table, state_view.keys, asked[1]), []).append(state)
        return blocks

    def _events_of(self, table: str, steps: Sequence[tuple[WindowStep, int]]) -> tuple[str, int]:
        """The table that a block reads, and how many rows that ask stand behind its events.

        A row that counts itself is found among the events where the spine is their table; otherwise it brings its own
        values along.
        """
        asks_itself = any(step.span.include_current for step, _ in steps)
        if not asks_itself or self.columns[table] is self.spine.columns:
            return table, 0
        together = f"{table} and the rows that ask"
        if together not in self.columns:
            self.columns[together] = self.columns[table].followed_by(self.spine.columns)
        return together, self.spine.columns.n_rows

    def _encode(self, key: _GroupKey) -> KeyCodes:
        return encode_keys(self.columns[key[0]], key[1], self.spine.columns, key[2])


def _checked_out(out: Matrix | None, shape: tuple[int, int]) -> Matrix:
    if out is None:
        return np.empty(shape, dtype=np.float32)
    if out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous or not out.flags.writeable:
        raise InvalidInputError(
            f"out is {out.dtype}{list(out.shape)}; it must be a writable float32[{shape[0]}, {shape[1]}], C-contiguous"
        )
    return out


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
    return times + plan.at.offset_us if plan.at.offset_us else times


def _plain(work: Callable[..., None], *arguments: Any) -> Task:
    def task() -> list[Task]:
        work(*arguments)
        return []

    return task


def _drain(pool: ThreadPoolExecutor, tasks: Any, most: int) -> None:
    """Run tasks and what follows from them, a bounded number at a time; the first error stops what has not begun."""
    waiting, source = deque[Task](), iter(tasks)
    running: set[Future[list[Task]]] = set()
    try:
        while True:
            while len(running) < most:
                task = waiting.popleft() if waiting else next(source, None)
                if task is None:
                    break
                running.add(pool.submit(task))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                waiting.extend(future.result())
    except BaseException:
        for future in running:
            future.cancel()
        raise


def _result(future: Future[KeyCodes], others: Any) -> KeyCodes:
    try:
        return future.result()
    except BaseException:
        for other in others:
            other.cancel()
        raise
