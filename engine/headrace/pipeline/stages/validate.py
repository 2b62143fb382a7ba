"""Stage two: tables against their schemas and frozen references; rows that break a rule are set aside."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from headrace.core.hashing import digest_json
from headrace.pipeline.context import RunContext
from headrace.pipeline.data_checking import REFERENCES, read_references, referred, surroundings
from headrace.pipeline.dataset import used_table
from headrace.pipeline.fingerprint import describe
from headrace.pipeline.stage import StageOutcome
from headrace.validation import Schema, ValidationReport
from headrace.validation.anomalies import TableReference
from headrace.validation.examination import Extent, examine


class ValidateStage:
    """Checks every table that has a schema or a reference; what the stages after read is what passed."""

    name: ClassVar[str] = "validate"
    after: ClassVar[tuple[str, ...]] = ("ingest",)
    code: ClassVar[tuple[str, ...]] = ("core", "data", "validation")

    def inputs(self, context: RunContext) -> Any:
        """The schemas, and what the tables are compared with."""
        found = _references(context)
        return [
            describe(dict(context.project.schemas)),
            {name: digest_json(reference.to_json()) for name, reference in found.items()},
        ]

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
        references = _references(context)
        for name, ingested in context.records["ingest"].facts["tables"].items():
            stored, version = name, ingested["version"]
            rejected = 0
            schema, reference = context.project.schemas.get(name), references.get(name)
            if schema is not None or reference is not None:
                with context.progress.step(f"validate {name}"):
                    around = surroundings(context.store, context.project, name, file=ingested["source"])
                    table = context.store.read(name, version=version)
                    extent = Extent(reference, facts=False, bias=False)
                    examined = examine(name, table, schema, around=around, extent=extent)
                checks += [{"table": name, **asdict(check)} for check in (*examined.checks, *examined.comparisons)]
                examined.raise_if_failed()
                if schema is not None and examined.report is not None and examined.report.rejected.num_rows:
                    rejected = examined.report.rejected.num_rows
                    cause = digest_json([ingested["digest"], schema.digest, _keys(context, schema)])
                    origin = {"table": name, "version": version}
                    stored, version = _set_aside(context, name, cause, examined.report, origin)
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


def _references(context: RunContext) -> dict[str, TableReference]:
    return read_references(context.folder / REFERENCES, list(context.project.sources))


def _keys(context: RunContext, schema: Schema) -> dict[str, str]:
    """Content of the tables that foreign keys were looked up in: another content may set other rows aside."""
    tables = context.records["ingest"].facts["tables"]
    return {name: tables[name]["digest"] for name in referred(schema) if name in tables}


def _set_aside(
    context: RunContext, name: str, cause: str, report: ValidationReport, origin: dict[str, Any]
) -> tuple[str, int]:
    """Write the rejected rows first: accepted rows are never visible before what was left out of them."""
    transaction = f"validate:{cause}"
    context.store.write(f"{name}_rejected", report.rejected, transaction=transaction, lineage=origin)
    accepted = context.store.write(f"{name}_accepted", report.accepted, transaction=transaction, lineage=origin)
    return accepted.name, accepted.version
