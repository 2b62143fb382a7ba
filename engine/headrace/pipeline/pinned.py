"""What registered packages and the last run were computed from: content that no vacuum may remove."""

from __future__ import annotations

import json
from pathlib import Path

from headrace.core.database import open_database
from headrace.core.errors import CorruptedError
from headrace.packaging import Registry
from headrace.packaging.package import LINEAGE_FILE
from headrace.pipeline.stage import StageRecord
from headrace.pipeline.workspace import Workspace


def pinned_digests(home: Path) -> dict[str, str]:
    """Digests of tables' content that a package or the last run names, each with who names it.

    Raises:
        CorruptedError: a package cannot be read, so what it needs is not known.
    """
    workspace = Workspace(home)
    pinned: dict[str, str] = {}
    for stage in ("ingest", "validate"):
        record = StageRecord.read(workspace.stage_record(stage)) if workspace.stage_record(stage).is_file() else None
        for used in (record.facts["tables"] if record is not None else {}).values():
            pinned[used["digest"]] = "the last run"
    if not workspace.database.is_file():
        return pinned
    engine = open_database(workspace.database)
    try:
        registry = Registry(engine, workspace.home)
        for model in registry.names():
            for version in registry.versions(model):
                try:
                    lineage = json.loads((version.path / LINEAGE_FILE).read_text())
                    digests = [read["digest"] for read in lineage["snapshot"].values()]
                except (OSError, ValueError, KeyError, TypeError) as error:
                    raise CorruptedError(
                        f"package {version} cannot be read, so the tables it needs are not known: {error}"
                    ) from error
                pinned |= dict.fromkeys(digests, f"package {version}")
    finally:
        engine.dispose()
    return pinned
