"""Where a model came from: enough to make it again, and nothing that differs when it is made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.packaging.sbom import library_versions

# Distributions whose version may change a model's bits.
LIBRARIES = ("headrace", "lightgbm", "numba", "numpy", "onnx", "polars", "pyarrow")


@dataclass(frozen=True)
class TableRead:
    """One table of the snapshot a model was trained on.

    Attributes:
        version: of the stored table.
        digest: of its content.
        table: what it is called in the store; empty in packages of before releases told it.
    """

    version: int
    digest: str
    table: str = ""

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {"version": self.version, "digest": self.digest} | ({"table": self.table} if self.table else {})


@dataclass(frozen=True)
class Lineage:
    """Inputs of a model.

    Attributes:
        snapshot: table -> what was read.
        plan_digest: of the feature plan.
        definition: the model's definition as JSON data: split, settings, gates, target.
        features_digest: of the feature matrix (`FeatureMatrix.digest`); None in packages of before releases told it.
        code_commit: of the project's repository; None where it is in none, or holds uncommitted changes.
        libraries: distribution -> version.
    """

    snapshot: Mapping[str, TableRead]
    plan_digest: str
    definition: Mapping[str, Any]
    code_commit: str | None = None
    features_digest: str | None = None
    libraries: Mapping[str, str] = field(default_factory=lambda: library_versions(LIBRARIES))

    def to_json(self) -> dict[str, Any]:
        """Encode as JSON data."""
        return {
            "snapshot": {name: read.to_json() for name, read in self.snapshot.items()},
            "plan_digest": self.plan_digest,
            "features_digest": self.features_digest,
            "definition": dict(self.definition),
            "code_commit": self.code_commit,
            "libraries": dict(self.libraries),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Lineage:
        """Decode what `to_json` gave."""
        return cls(
            snapshot={
                name: TableRead(read["version"], read["digest"], read.get("table", ""))
                for name, read in body["snapshot"].items()
            },
            plan_digest=body["plan_digest"],
            definition=dict(body["definition"]),
            code_commit=body["code_commit"],
            features_digest=body.get("features_digest"),
            libraries=dict(body["libraries"]),
        )
