"""The model package: a directory whose every byte is named by one digest.

Building is deterministic: equal contents give equal bytes, so a package is rebuilt, compared and stored by digest.
This module is imported by serving: it knows JSON and digests, no training library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.core.files import staged_directory
from headrace.core.hashing import SHORT_DIGEST_CHARS, canonical_json
from headrace.packaging.manifest import MANIFEST_FILE, Manifest
from headrace.packaging.signature import Signature

MODEL_FILE = "model.onnx"
CUDA_MODEL_FILE = "model.cuda.onnx"  # in packages whose forest was written as tensor operations too
PLAN_FILE = "plan.json"
SCHEMA_FILE = "schema.json"
SIGNATURE_FILE = "signature.json"
BASELINE_FILE = "baseline/baseline.json"
EVALUATION_FILE = "evaluation.json"
LINEAGE_FILE = "lineage.json"
SBOM_FILE = "sbom.json"
MODEL_CARD_FILE = "model-card.md"
REQUIRED_FILES = (
    MODEL_FILE,
    PLAN_FILE,
    SCHEMA_FILE,
    SIGNATURE_FILE,
    BASELINE_FILE,
    EVALUATION_FILE,
    LINEAGE_FILE,
    SBOM_FILE,
    MODEL_CARD_FILE,
)

JsonDocument = Mapping[str, Any] | str  # JSON data, or its text


@dataclass(frozen=True)
class PackageContents:
    """What goes into a package. JSON documents are given as data or as text and stored as canonical JSON.

    Nothing here may hold a wall-clock time or a machine's path: they would change the digest of equal models.

    Attributes:
        name: the model's name.
        model: the ONNX graph.
        plan: the feature plan.
        schema: the schema of the tables the plan reads.
        signature: tensors and columns.
        baseline: reference statistics of every feature and of the score.
        evaluation: figures, intervals, slices and gate verdicts.
        lineage: snapshots, code commit, seeds, library versions.
        sbom: CycloneDX bill of materials.
        model_card: Markdown for people.
        cuda_model: the same forest as tensor operations, for CUDA; None where there is no such graph.
    """

    name: str
    model: bytes
    plan: JsonDocument
    schema: JsonDocument
    signature: Signature
    baseline: JsonDocument
    evaluation: JsonDocument
    lineage: JsonDocument
    sbom: JsonDocument
    model_card: str
    cuda_model: bytes | None = None

    def files(self) -> dict[str, bytes]:
        """Encode every file but the manifest.

        Raises:
            InvalidInputError: a document is not a JSON object, or holds NaN or Inf.
        """
        documents: dict[str, JsonDocument] = {
            PLAN_FILE: self.plan,
            SCHEMA_FILE: self.schema,
            SIGNATURE_FILE: self.signature.to_json(),
            BASELINE_FILE: self.baseline,
            EVALUATION_FILE: self.evaluation,
            LINEAGE_FILE: self.lineage,
            SBOM_FILE: self.sbom,
        }
        encoded = {path: _encode(path, document) for path, document in documents.items()}
        second = {} if self.cuda_model is None else {CUDA_MODEL_FILE: self.cuda_model}
        return encoded | {MODEL_FILE: self.model, MODEL_CARD_FILE: self.model_card.encode()} | second


@dataclass(frozen=True)
class Package:
    """A verified package in memory.

    Invariant: every value of `files` has the digest the manifest names.

    Attributes:
        path: the directory, or archive, it was read from.
        manifest: names and digests.
        files: relative path -> bytes, as verified.
    """

    path: Path
    manifest: Manifest
    files: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"Package({self.name} {self.digest[:SHORT_DIGEST_CHARS]}, {self.size_bytes / 1e6:.1f} MB, {self.path})"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    @property
    def size_bytes(self) -> int:
        """All files together, the manifest aside."""
        return sum(map(len, self.files.values()))

    @property
    def digest(self) -> str:
        """One digest over everything in the package."""
        return self.manifest.digest

    @property
    def model(self) -> bytes:
        """The ONNX graph."""
        return self.files[MODEL_FILE]

    @property
    def cuda_model(self) -> bytes | None:
        """The second ONNX graph, of tensor operations that CUDA has; None in packages without one."""
        return self.files.get(CUDA_MODEL_FILE)

    @property
    def plan_text(self) -> str:
        """The feature plan as JSON text, for `FeaturePlan.from_json`."""
        return self.files[PLAN_FILE].decode()

    @property
    def signature(self) -> Signature:
        """Tensors and columns."""
        return Signature.from_json(self.document(SIGNATURE_FILE))

    @property
    def model_card(self) -> str:
        """Markdown for people."""
        return self.files[MODEL_CARD_FILE].decode()

    def document(self, path: str) -> dict[str, Any]:
        """Parse one JSON file of the package, such as `BASELINE_FILE`.

        Raises:
            NotFoundError: the package has no such file.
        """
        if path not in self.files:
            raise NotFoundError(f"package {self.digest[:SHORT_DIGEST_CHARS]} has no file {path}")
        document: dict[str, Any] = json.loads(self.files[path])
        return document


def build_package(target: Path, contents: PackageContents, *, replace: bool = False) -> Package:
    """Write a package; the directory appears whole or not at all.

    Args:
        target: directory to create.
        contents: what to write.
        replace: allow an existing directory to be replaced.

    Raises:
        InvalidInputError: a document cannot be stored.
        AlreadyExistsError: the directory exists and `replace` is false.
    """
    files = contents.files()
    manifest = Manifest.of(contents.name, files)
    package = Package(target, manifest, files)
    write_package(package, target, replace=replace)
    return package


def write_package(package: Package, target: Path, *, replace: bool = False) -> None:
    """Write a package that is in memory; the directory appears whole or not at all.

    Raises:
        AlreadyExistsError: the directory exists and `replace` is false.
    """
    with staged_directory(target, replace=replace) as staged:
        for path, data in package.files.items():
            (staged / path).parent.mkdir(exist_ok=True)
            (staged / path).write_bytes(data)
        (staged / MANIFEST_FILE).write_bytes(package.manifest.encode())


def _encode(path: str, document: JsonDocument) -> bytes:
    try:
        data = json.loads(document) if isinstance(document, str) else document
        if not isinstance(data, Mapping):
            raise InvalidInputError(f"{path} must hold a JSON object, not {type(data).__name__}")
        return canonical_json(dict(data))
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{path} cannot be stored as JSON: {error}") from error
