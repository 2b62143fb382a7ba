"""The executor: what the features share is built once, then every piece of work writes its own cells of the matrix."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.core.errors import DefinitionError, InvalidInputError, did_you_mean
from headrace.core.progress import Progress, Step
from headrace.core.threads import ThreadPool, result_of, wait_for
from headrace.features.device import Devices
from headrace.features.executor.block_groups import BlockGroups, GroupKey, GroupWork
from headrace.features.executor.columns import TableColumns
from headrace.features.executor.key_groups import KeyGroup, Target, Task
from headrace.features.executor.keys import KeyCodes, encode_keys
from headrace.features.executor.row_values import RowValues
from headrace.features.executor.spine import Spine
from headrace.features.matrix import FeatureMatrix
from headrace.features.plan import FeaturePlan
from headrace_kernels.cpu.partitions import ForEach
from headrace_kernels.dtypes import Matrix, Times

if TYPE_CHECKING:
    from headrace.features.executor.device.run import DeviceRun


def run_plan(  # noqa: PLR0913  # as `compute`
    plan: FeaturePlan,
    tables: Mapping[str, pa.Table],
    *,
    spine: pa.Table | None,
    out: Matrix | None,
    threads: int,
    progress: Progress,
    devices: Devices,
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
    groups = BlockGroups(plan, columns, asking)
    run = _Run(plan, groups, asking, Target(matrix, extra))
    with ThreadPool(threads) as pool:
        run.run(pool, threads, progress, devices)
    return FeatureMatrix(plan.feature_names, matrix, query_time, tuple(groups.placements), run.on_device)


class _Run:
    """One execution of a plan. Slots count the matrix's columns, then the intermediates."""

    def __init__(self, plan: FeaturePlan, groups: BlockGroups, spine: Spine, target: Target) -> None:
        self.plan = plan
        self.groups = groups
        self.spine = spine
        self.target = target
        self.on_device: Any = None
        self._device_run: DeviceRun | None = None

    def run(self, pool: ThreadPool, threads: int, progress: Progress, devices: Devices) -> None:
        """Write every column of the matrix."""
        groups = self.groups.sort(devices, threads)
        total = len(groups) * self.spine.columns.n_rows
        with progress.step(f"features of {self.plan.name}", total=total or None) as step:

            def for_each(work: Callable[[int], None], count: int) -> None:
                if count == 1:
                    work(0)
                else:
                    _drain(pool, [_plain(work, index) for index in range(count)], 4 * threads)

            encoding = {key: pool.submit(self._encode, key) for key in groups}
            there = self._run_on_devices(groups, encoding, devices, for_each, step)
            for key, work in groups.items():
                step.note(f"by {', '.join(key[2]) or 'nothing'}")
                codes = there[key] if key in there else _result(encoding.pop(key), encoding.values())
                if work.host:
                    group = KeyGroup(codes, work.host, self.spine, self.target)
                    group.cut(for_each)
                    _drain(pool, group.tasks(), 4 * threads)
                if work.device:
                    keyless = KeyGroup(codes, work.device, self.spine, self.target)
                    _drain(pool, keyless.keyless_tasks(), 4 * threads)
                step.advance(self.spine.columns.n_rows)
                del codes
            step.note("columns of the row")
            values = RowValues(self.plan, self.spine, self.target, self.groups.states)
            _drain(pool, [_plain(task) for task in values.calendar_tasks()], 4 * threads)
            values.write_dependants(step)
            self.on_device = self._device_run.keep(there) if self._device_run and devices.keep_matrix else None

    def _run_on_devices(
        self, groups: Mapping[GroupKey, GroupWork], encoding: dict[GroupKey, Future[KeyCodes]], devices: Devices,
        for_each: ForEach, step: Step,
    ) -> dict[GroupKey, KeyCodes]:  # fmt: skip
        """Let devices do their part first; what they fail at becomes the host's. Gives the codes that were needed."""
        there = {key: work for key, work in groups.items() if work.device}
        if not there:
            return {}
        from headrace.features.executor.device.run import DeviceRun

        codes = {key: _result(encoding.pop(key), encoding.values()) for key in there}
        self._device_run = DeviceRun(devices, self.spine, self.target, for_each)
        self._device_run.run(there, codes, step)
        self.groups.placements.extend(self._device_run.placements)
        return codes

    def _encode(self, key: GroupKey) -> KeyCodes:
        columns = self.groups.columns
        return encode_keys(columns[key[0]], key[1], self.spine.columns, key[2])


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


def _drain(pool: ThreadPool, tasks: Any, most: int) -> None:
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
            done, running = wait_for(running, FIRST_COMPLETED)
            for future in done:
                follow: list[Task] = result_of(future)
                waiting.extend(follow)
    except BaseException:
        for future in running:
            future.cancel()
        raise


def _result(future: Future[KeyCodes], others: Any) -> KeyCodes:
    try:
        return result_of(future)
    except BaseException:
        for other in others:
            other.cancel()
        raise
