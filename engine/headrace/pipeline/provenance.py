"""From a model back to its rows: the tables a package names, where they came from, its features computed again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.core.errors import CorruptedError, NotFoundError
from headrace.core.progress import Progress, SilentProgress
from headrace.data import TableStore, TableVersion
from headrace.features import FeaturePlan, compute
from headrace.packaging import Lineage, TableRead
from headrace.packaging.package import LINEAGE_FILE
from headrace.pipeline.models import opened_registry
from headrace.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from headrace.data.store.versions import VersionRecord


@dataclass(frozen=True)
class Origin:
    """A package and the tables it was computed from.

    Attributes:
        model: name and version, `late@1`.
        digest: of the package.
        plan: of its features.
        lineage: what it says of itself.
        tables: by the name that the plan knows: how the stored version came to be.
    """

    model: str
    digest: str
    plan: FeaturePlan
    lineage: Lineage
    tables: Mapping[str, VersionRecord]

    def to_json(self) -> dict[str, Any]:
        """JSON data: the package, digests, and each table with what its rows came from."""
        return {
            "model": self.model,
            "digest": self.digest,
            "plan_digest": self.lineage.plan_digest,
            "features_digest": self.lineage.features_digest,
            "code_commit": self.lineage.code_commit,
            "tables": {name: _table_json(record) for name, record in self.tables.items()},
        }


@dataclass(frozen=True)
class Rebuilt:
    """A package's features, computed again.

    Attributes:
        model: name and version.
        rows: of the matrix.
        features: columns of the matrix.
        digest: of the matrix now.
        recorded: of the matrix that the model was trained on; None: the package does not tell it.
    """

    model: str
    rows: int
    features: int
    digest: str
    recorded: str | None

    @property
    def is_same(self) -> bool:
        """Whether every bit is what it was; false where that is not told."""
        return self.digest == self.recorded


def trace(workspace: Workspace, reference: str) -> Origin:
    """Follow a model to the versions of tables it was computed from.

    Args:
        workspace: where registry and tables are.
        reference: `late`, `late@2` or `late@champion`.

    Raises:
        NotFoundError: no such model, or no version of a table holds what the package names.
        CorruptedError: the package was altered, or a version holds something else than the package says.
    """
    with opened_registry(workspace) as registry:
        version, package = registry.resolve(reference), registry.load(reference)
    lineage = Lineage.from_json(package.document(LINEAGE_FILE))
    plan = FeaturePlan.from_json(json.loads(package.plan_text))
    store = TableStore(workspace.tables)
    tables = {name: _record(store, name, read) for name, read in lineage.snapshot.items()}
    return Origin(f"{version.name}@{version.version}", version.digest, plan, lineage, tables)


def rebuild_features(
    workspace: Workspace, reference: str, *, threads: int, progress: Progress | None = None
) -> Rebuilt:
    """Compute a package's features again, from the tables it names and by the plan it holds.

    Neither the project's file nor anything that a run left behind is looked at.

    Raises:
        NotFoundError: as for `trace`, or a version was vacuumed.
        CorruptedError: as for `trace`, or a table's files were altered.
    """
    progress = progress or SilentProgress()
    origin = trace(workspace, reference)
    store = TableStore(workspace.tables)
    with progress.step("read tables", total=len(origin.plan.tables_needed)) as step:
        tables = {}
        for name, columns in origin.plan.tables_needed.items():
            stored = origin.tables[name].version
            tables[name] = store.read(stored.name, version=stored.version, columns=columns)
            step.advance()
    matrix = compute(origin.plan, tables, threads=threads, progress=progress)
    rows, features = matrix.values.shape
    return Rebuilt(origin.model, rows, features, matrix.digest, origin.lineage.features_digest)


def _table_json(record: VersionRecord) -> dict[str, Any]:
    return {
        "table": record.version.name,
        "version": record.version.version,
        "digest": record.version.digest,
        "rows": record.version.rows,
        "written_at": record.at.isoformat(),
        "operation": record.operation,
        "lineage": record.lineage,
    }


def _record(store: TableStore, name: str, read: TableRead) -> VersionRecord:
    """How the version that a package names came to be."""
    for stored in [read.table] if read.table else [f"{name}_accepted", name]:
        if stored not in store.names():
            continue
        for record in store.history(stored):
            if record.version.version == read.version and _holds(record.version, read):
                return record
    raise NotFoundError(
        f"no version of table '{read.table or name}' is what the model was computed from: "
        f"version {read.version} with digest {read.digest[:8]}",
        hint="was the table's folder replaced? its versions are kept as long as the package is registered",
    )


def _holds(version: TableVersion, read: TableRead) -> bool:
    if version.digest == read.digest:
        return True
    if read.table:
        raise CorruptedError(
            f"table '{read.table}' version {read.version} has digest {version.digest[:8]}, "
            f"the model was computed from {read.digest[:8]}"
        )
    return False
