"""Runs a project's stages in order, skips those whose inputs did not change, and leaves nothing half done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.core.errors import CancelledError
from headrace.core.hashing import digest_json
from headrace.pipeline.context import RunContext
from headrace.pipeline.fingerprint import code_digest
from headrace.pipeline.stage import Stage, StageRecord


@dataclass(frozen=True)
class StageReport:
    """One line of a run.

    Attributes:
        record: what the stage left.
        skipped: its inputs did not change, so the earlier result stands.
    """

    record: StageRecord
    skipped: bool


def run_stages(
    stages: Sequence[Stage],
    context: RunContext,
    *,
    on_start: Callable[[str], None] = lambda _name: None,
    on_end: Callable[[StageReport], None] = lambda _report: None,
) -> list[StageReport]:
    """Run the stages in order; a stage whose inputs' digest equals its record's, and whose outputs exist, is skipped.

    The record is written after the stage's work is safe, so a killed stage runs again from its start. `on_start` is
    told the name of a stage that is about to run; `on_end` of every stage, skipped ones included.

    Raises:
        CancelledError: Ctrl-C; names the stage that was interrupted.
        HeadraceError: whatever a stage raises; the stages before it keep their results.
    """
    reports: list[StageReport] = []
    try:
        for stage in stages:
            digest = _inputs_digest(stage, context)
            path = context.workspace.stage_record(stage.name)
            record = StageRecord.read(path)
            skipped = (
                record is not None
                and record.inputs_digest == digest
                and all(output.exists() for output in stage.outputs(context))
            )
            if record is None or not skipped:
                on_start(stage.name)
                record = _run_stage(stage, context, digest)
                record.write(path)
            context.records[stage.name] = record
            report = StageReport(record, skipped)
            reports.append(report)
            on_end(report)
    finally:
        context.close()
    return reports


def _run_stage(stage: Stage, context: RunContext, digest: str) -> StageRecord:
    path = context.workspace.stage_record(stage.name)
    path.unlink(missing_ok=True)
    started = context.clock.monotonic()
    try:
        outcome = stage.run(context)
    except KeyboardInterrupt:
        raise CancelledError(
            f"interrupted in stage '{stage.name}'; it begins anew next time",
            hint="run the same command again: finished stages are skipped",
        ) from None
    return StageRecord(stage.name, digest, round(context.clock.monotonic() - started, 3), outcome)


def _inputs_digest(stage: Stage, context: RunContext) -> str:
    return digest_json(
        {
            "stage": stage.name,
            "code": code_digest(stage.code),
            "after": [context.records[name].inputs_digest for name in stage.after],
            "inputs": stage.inputs(context),
        }
    )
