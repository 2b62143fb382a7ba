"""The figures of a run in one flat JSON object, for scripts and for the people who hold us to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.pipeline.context import RunContext
from headrace.pipeline.runner import StageReport


def summarise(context: RunContext, reports: Sequence[StageReport]) -> dict[str, Any]:
    """Collect the figures of every stage; a skipped stage gives those of the run that did it."""
    facts = {name: record.facts for name, record in context.records.items()}
    metric = facts["evaluate"]["metric"]
    spine = context.project.model.features.spine.table
    return {
        "project": context.project.name,
        "model": context.project.model.name,
        "rows_read": facts["ingest"]["tables"][spine]["rows_read"],
        "tables": {name: table["rows_read"] for name, table in facts["ingest"]["tables"].items()},
        "feature_count": facts["features"]["features"],
        "feature_seconds": facts["features"]["compute_s"],
        "stage_seconds": {report.record.name: report.record.seconds for report in reports},
        "stages_skipped": [report.record.name for report in reports if report.skipped],
        "trees": facts["train"]["trees"],
        "metric": metric,
        f"{metric}_test": facts["evaluate"]["figure_test"],
        f"{metric}_test_without_windows": facts["evaluate"]["figure_test_without_windows"],
        "gates_passed": facts["evaluate"]["gates"]["passed"],
        "gates_overridden": facts["package"].get("overrides", []),
        "package_digest": facts["package"]["digest"],
        "leaf_mismatches": facts["package"]["leaf_mismatches"],
        f"{metric}_served": facts["serve"]["figure_served"],
        "max_abs_diff_served": facts["serve"]["max_abs_diff_served"],
        "rows_served": facts["serve"]["rows"],
        "latency_p50_ms": facts["serve"]["p50_ms"],
        "latency_p99_ms": facts["serve"]["p99_ms"],
        "device": facts["serve"]["device"],
        "device_reason": facts["serve"]["device_reason"],
        "ready_s": facts["serve"]["ready_s"],
        "canary_share": facts["release"]["canary_share"],
        "canary_share_planned": facts["release"]["planned_share"],
        "champion": facts["release"]["state"]["champion"],
        "drift_found": facts["monitor"]["drift_found"],
        "false_alarms": facts["monitor"]["false_alarms"],
        "clean_windows": facts["monitor"]["clean_windows"],
        "retrained": facts["monitor"]["retrained"],
        "report": str(context.workspace.report),
    }
