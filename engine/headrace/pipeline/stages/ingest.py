"""Stage one: sources become versioned tables."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, ClassVar

from headrace.data import ingest, profile
from headrace.pipeline.context import RunContext
from headrace.pipeline.fingerprint import describe
from headrace.pipeline.stage import StageOutcome


class IngestStage:
    """Reads every source of the project into a table of its own."""

    name: ClassVar[str] = "ingest"
    after: ClassVar[tuple[str, ...]] = ()
    code: ClassVar[tuple[str, ...]] = ("core", "data")

    def inputs(self, context: RunContext) -> Any:
        """The declarations, the sources' content and the code that prepares them."""
        return {
            name: {"source": describe(source), "content": _content(source)}
            for name, source in context.project.sources.items()
        }

    def outputs(self, context: RunContext) -> list[Path]:
        """One folder a table."""
        return [context.workspace.tables / name for name in context.project.sources]

    def run(self, context: RunContext) -> StageOutcome:
        """Ingest every source; a table whose content did not change keeps its version."""
        tables: dict[str, Any] = {}
        for name, source in context.project.sources.items():
            result = ingest(source, context.store, name, progress=context.progress)
            tables[name] = {
                "version": result.version.version,
                "digest": result.version.digest,
                "rows": result.version.rows,
                "rows_read": result.rows_read,
                "quarantined": result.rows_quarantined,
                "quarantine": result.quarantine,
                "source": source.title(),
                "profile": profile(context.store.read(name, version=result.version.version)),
            }
        quarantined = sum(table["quarantined"] for table in tables.values())
        versions = ", ".join(f"{name} v{table['version']}" for name, table in tables.items())
        return StageOutcome(
            headline=" · ".join(f"{table['rows_read']:,} {name}" for name, table in tables.items()),
            detail=versions + (f" · {quarantined} rows quarantined" if quarantined else ""),
            facts={"tables": tables},
        )


def _content(source: Any) -> str:
    """What changes when the source's content does; something new every time where nobody knows."""
    content = source.content()
    return str(content) if content is not None else f"unknown:{uuid.uuid4()}"
