"""`headrace run` as a function: open a project, run its stages, leave a summary and a report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.config import load_settings
from headrace.core.errors import CorruptedError, HeadraceError, NotFoundError
from headrace.core.files import write_atomic
from headrace.core.hashing import digest_json
from headrace.core.progress import Progress
from headrace.pipeline.context import RunContext
from headrace.pipeline.fingerprint import describe
from headrace.pipeline.overriding import check_reason
from headrace.pipeline.project import load_project
from headrace.pipeline.recording import recorded
from headrace.pipeline.reporting import write_run_report
from headrace.pipeline.runner import StageReport, run_stages
from headrace.pipeline.stage import Stage, StageRecord
from headrace.pipeline.stages import (
    EvaluateStage,
    FeaturesStage,
    IngestStage,
    MonitorStage,
    PackageStage,
    ReleaseStage,
    ReportStage,
    ServeStage,
    TrainStage,
    ValidateStage,
)
from headrace.pipeline.summary import summarise
from headrace.pipeline.workspace import Workspace

STAGES: tuple[type[Stage], ...] = (
    IngestStage,
    ValidateStage,
    FeaturesStage,
    TrainStage,
    EvaluateStage,
    PackageStage,
    ServeStage,
    ReleaseStage,
    MonitorStage,
    ReportStage,
)


@dataclass(frozen=True)
class RunResult:
    """What a run leaves.

    Attributes:
        summary: the figures, as in `summary.json`.
        workspace: where everything is.
        reports: one a stage, in order.
    """

    summary: dict[str, Any]
    workspace: Workspace
    reports: tuple[StageReport, ...]


def run_project(  # noqa: PLR0913  as many options as the command
    path: Path,
    home: Path | Workspace,
    *,
    progress: Progress,
    fresh: bool = False,
    override: str | None = None,
    on_open: Callable[[Path, str], None] = lambda _path, _digest: None,
    on_stage: Callable[[StageReport], None] = lambda _report: None,
) -> RunResult:
    """Run every stage of a project; unchanged stages are skipped.

    Args:
        path: the project's folder or file.
        home: the workspace; a folder is taken with the places of models that the environment names.
        progress: where stages report.
        fresh: forget earlier records first; tables, registry and ledger stay.
        override: why gates that fail shall not stop the run; it is recorded. None: they stop it.
        on_open: told the path and the project's digest.
        on_stage: told each finished or skipped stage.

    Raises:
        HeadraceError: what the project or a stage says; the report then shows how far the run came.
    """
    reason = check_reason(override)
    project, folder = load_project(path)
    settings = load_settings(home=home.home if isinstance(home, Workspace) else home)
    workspace = home if isinstance(home, Workspace) else Workspace.of(settings)
    context = RunContext(project, folder, workspace, settings, progress, override=reason)
    write_atomic(workspace.project_file, json.dumps({"project": str(folder), "as_typed": str(path)}).encode())
    on_open(path, digest_json(describe(project)))
    if fresh:
        for stage in STAGES:
            workspace.stage_record(stage.name).unlink(missing_ok=True)
    reports: list[StageReport] = []

    try:
        with recorded(context) as diary:

            def ended(report: StageReport) -> None:
                reports.append(report)
                diary.stage_ended(report)
                on_stage(report)

            run_stages([stage() for stage in STAGES], context, on_start=diary.stage_starts, on_end=ended)
    except HeadraceError as error:
        if context.records:
            write_run_report(context, failure=error)
        raise
    summary = summarise(context, reports)
    write_atomic(workspace.summary, json.dumps(summary, indent=1).encode())
    return RunResult(summary, workspace, tuple(reports))


def reopen(workspace: Workspace, *, progress: Progress) -> RunContext:
    """Open a workspace as its last run left it, for commands that look back.

    Raises:
        NotFoundError: no run, or the project it was run from is gone.
        CorruptedError: the workspace's notes are not readable.
    """
    try:
        folder = Path(json.loads(workspace.project_file.read_bytes())["project"])
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{workspace.home} holds no run of a project", hint="run one: headrace run PROJECT"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise CorruptedError(f"{workspace.project_file} is not readable: {error}") from error
    project, folder = load_project(folder)
    context = RunContext(project, folder, workspace, load_settings(home=workspace.home), progress)
    for stage in STAGES:
        record = StageRecord.read(workspace.stage_record(stage.name))
        if record is not None:
            context.records[stage.name] = record
    return context
