"""What registered packages and the last run were computed from: content that no vacuum may remove."""

from __future__ import annotations

import json

from headrace.core.database import database_exists
from headrace.core.errors import CorruptedError
from headrace.packaging import ModelVersion, Registry
from headrace.packaging.package import LINEAGE_FILE
from headrace.pipeline.models import opened_registry
from headrace.pipeline.stage import StageRecord
from headrace.pipeline.workspace import Workspace


def pinned_digests(workspace: Workspace) -> dict[str, str]:
    """Digests of tables' content that a package or the last run names, each with who names it.

    A package that was collected pins nothing any more.

    Raises:
        CorruptedError: a package cannot be read, so what it needs is not known.
    """
    pinned: dict[str, str] = {}
    for stage in ("ingest", "validate"):
        record = StageRecord.read(workspace.stage_record(stage)) if workspace.stage_record(stage).is_file() else None
        for used in (record.facts["tables"] if record is not None else {}).values():
            pinned[used["digest"]] = "the last run"
    if not database_exists(workspace.database):
        return pinned
    with opened_registry(workspace) as registry:
        for model in registry.names():
            collected = registry.retention(model).collected
            for version in registry.versions(model):
                if version.version not in collected:
                    pinned |= dict.fromkeys(_tables_read(registry, version), f"package {version}")
    return pinned


def _tables_read(registry: Registry, version: ModelVersion) -> list[str]:
    try:
        lineage = json.loads(registry.store.files(version.digest).read(LINEAGE_FILE))
        return [read["digest"] for read in lineage["snapshot"].values()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptedError(
            f"package {version} cannot be read, so the tables it needs are not known: {error}"
        ) from error
