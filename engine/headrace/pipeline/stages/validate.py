"""Stage two: tables are held against their declared schemas; rows that break a rule are set aside."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from headrace.core.hashing import digest_json
from headrace.pipeline.context import RunContext
from headrace.pipeline.data_checking import referred, surroundings
from headrace.pipeline.dataset import used_table
from headrace.pipeline.fingerprint import describe
from headrace.pipeline.stage import StageOutcome
from headrace.validation import Schema, ValidationReport, validate


class ValidateStage:
    """Checks every table that has a schema; what the stages after read is what passed."""

    name: ClassVar[str] = "validate"
    after: ClassVar[tuple[str, ...]] = ("ingest",)
    code: ClassVar[tuple[str, ...]] = ("core", "data", "validation")

    def inputs(self, context: RunContext) -> Any:
        """The schemas."""
        return describe(dict(context.project.schemas))

    def outputs(self, context: RunContext) -> list[Path]:
        """Nothing beside the tables."""
        return [context.workspace.tables]

    def run(self, context: RunContext) -> StageOutcome:
        """Validate; a failing row goes to `<table>_rejected` with file, line and reason; a failing table stops the run.

        Raises:
            FailedCheckError: a check that stops the run failed.
        """
        tables: dict[str, Any] = {}
        checks: list[dict[str, Any]] = []
        for name, ingested in context.records["ingest"].facts["tables"].items():
            stored, version = name, ingested["version"]
            rejected = 0
            if name in context.project.schemas:
                with context.progress.step(f"validate {name}"):
                    schema = context.project.schemas[name]
                    around = surroundings(context.store, context.project, name, file=ingested["source"])
                    report = validate(context.store.read(name, version=version), schema, around)
                checks += [{"table": name, **asdict(check)} for check in report.checks]
                report.raise_if_failed(name)
                rejected = report.rejected.num_rows
                if rejected:
                    cause = digest_json([ingested["digest"], schema.digest, _keys(context, schema)])
                    stored, version = _set_aside(context, name, cause, report)
            tables[name] = {**used_table(context, name, stored, version), "rejected": rejected}
        counts = {
            status: sum(check["status"] == status for check in checks) for status in ("passed", "warned", "failed")
        }
        rejected = sum(table["rejected"] for table in tables.values())
        warnings = [check["detail"] for check in checks if check["status"] == "warned"]
        return StageOutcome(
            headline=f"{len(checks)} checks: {counts['passed']} passed, {counts['warned']} warned"
            + (f", {counts['failed']} failed" if counts["failed"] else "")
            + f" · {rejected:,} rows set aside",
            detail=warnings[0] if warnings else "",
            facts={"tables": tables, "checks": checks},
        )


def _keys(context: RunContext, schema: Schema) -> dict[str, str]:
    """Content of the tables that foreign keys were looked up in: another content may set other rows aside."""
    tables = context.records["ingest"].facts["tables"]
    return {name: tables[name]["digest"] for name in referred(schema) if name in tables}


def _set_aside(context: RunContext, name: str, cause: str, report: ValidationReport) -> tuple[str, int]:
    """Write the rejected rows first: accepted rows are never visible before what was left out of them."""
    transaction = f"validate:{cause}"
    context.store.write(f"{name}_rejected", report.rejected, transaction=transaction)
    accepted = context.store.write(f"{name}_accepted", report.accepted, transaction=transaction)
    return accepted.name, accepted.version
