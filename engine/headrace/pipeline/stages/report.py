"""The last stage: one page a person can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from headrace.pipeline.context import RunContext
from headrace.pipeline.reporting import write_run_report
from headrace.pipeline.stage import StageOutcome


class ReportStage:
    """Draws what the stages found."""

    name: ClassVar[str] = "report"
    after: ClassVar[tuple[str, ...]] = ("monitor",)
    code: ClassVar[tuple[str, ...]] = ("pipeline",)

    def inputs(self, context: RunContext) -> Any:
        """Words and units of the project."""
        project = context.project
        return {"question": project.question, "positives": project.positives, "units": dict(project.units)}

    def outputs(self, context: RunContext) -> list[Path]:
        """The page."""
        return [context.workspace.report]

    def run(self, context: RunContext) -> StageOutcome:
        """Write `report.html` and its data."""
        with context.progress.step("report"):
            write_run_report(context)
        size_bytes = context.workspace.report.stat().st_size
        return StageOutcome(
            headline=f"report.html, {size_bytes / 1e6:.1f} MB, self-contained", facts={"size_bytes": size_bytes}
        )
