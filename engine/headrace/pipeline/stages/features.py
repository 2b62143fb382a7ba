"""Stage three: the plan is compiled and run, point in time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.core.files import staged_directory
from headrace.features import FeaturePlan, compile_plan, compute, fit_plan
from headrace.features.device import open_devices
from headrace.pipeline.context import RunContext
from headrace.pipeline.dataset import (
    MATRIX_FILE,
    PLAN_FILE,
    QUERY_TIME_FILE,
    microseconds,
    read_table,
    read_tables,
    table_schemas,
)
from headrace.pipeline.stage import StageOutcome

if TYPE_CHECKING:
    import pyarrow as pa


class FeaturesStage:
    """Computes every feature of every spine row at its query time."""

    name: ClassVar[str] = "features"
    after: ClassVar[tuple[str, ...]] = ("validate",)
    code: ClassVar[tuple[str, ...]] = ("core", "features", "kernels")

    def inputs(self, context: RunContext) -> Any:
        """The plan, and the split where encoders learn from it: equal ones on equal tables give equal bits."""
        plan = _compile(context)
        return plan.digest if plan.is_fitted else [plan.digest, context.project.model.split.to_json()]

    def outputs(self, context: RunContext) -> list[Path]:
        """The matrix and its plan."""
        return [context.workspace.features / name for name in (MATRIX_FILE, PLAN_FILE, QUERY_TIME_FILE)]

    def run(self, context: RunContext) -> StageOutcome:
        """Compile, read the columns the plan names, compute, keep the matrix for the stages after."""
        import numpy as np

        started = context.clock.monotonic()
        plan = _compile(context)
        tables = read_tables(context, plan)
        read_s = context.clock.monotonic() - started
        started = context.clock.monotonic()
        plan = _fitted(context, plan, tables)
        devices = open_devices(context.settings.device)
        threads = context.settings.threads
        matrix = compute(plan, tables, threads=threads, progress=context.progress, device=devices)
        compute_s = context.clock.monotonic() - started
        with staged_directory(context.workspace.features, replace=True) as staged:
            np.save(staged / MATRIX_FILE, matrix.values)
            np.save(staged / QUERY_TIME_FILE, matrix.query_time)
            (staged / PLAN_FILE).write_text(json.dumps(plan.to_json()))
        rows, columns = matrix.values.shape
        there = sum(each.features for each in matrix.placements if each.device == "cuda")
        where = f"{there} features on {devices.names}" if there else "cpu"
        windows = sum(feature.role == "window" for feature in plan.features)
        return StageOutcome(
            headline=f"{rows:,} x {columns}, point-in-time, {windows} over windows",
            detail=f"computed in {compute_s:.2f} s · {where}, {threads} threads · plan {plan.digest[:8]}",
            facts={
                "rows": rows,
                "features": columns,
                "window_features": windows,
                "plan_digest": plan.digest,
                "matrix_digest": matrix.digest,
                "read_s": round(read_s, 3),
                "compute_s": round(compute_s, 3),
                "placements": [vars(each) for each in matrix.placements],
            },
        )


def _compile(context: RunContext) -> FeaturePlan:
    model = context.project.model
    return compile_plan(model.features, table_schemas(context), target=model.target)


def _fitted(context: RunContext, plan: FeaturePlan, tables: Mapping[str, pa.Table]) -> FeaturePlan:
    """The plan with its encoders fitted to the rows that the model is trained on."""
    if plan.is_fitted:
        return plan
    model = context.project.model
    event_time = model.features.spine.event_time
    times = microseconds(read_table(context, plan.spine, [event_time])[event_time])
    return fit_plan(plan, tables, rows=model.split.masks(times).train)
