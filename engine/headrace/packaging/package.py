"""The model package: a directory whose every byte is named by one digest.

Building is deterministic: equal contents give equal bytes, so a package is rebuilt, compared and stored by digest.
Loading reads every file once and checks the bytes it will hand out, so what was verified is what is used.
This module is imported by serving: it knows JSON and digests, no training library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError
from headrace.core.files import staged_directory
from headrace.core.hashing import SHORT_DIGEST_CHARS, canonical_json, digest_bytes
from headrace.packaging.manifest import MANIFEST_FILE, Manifest
from headrace.packaging.signature import Signature

MODEL_FILE = "model.onnx"
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
        return encoded | {MODEL_FILE: self.model, MODEL_CARD_FILE: self.model_card.encode()}


@dataclass(frozen=True)
class Package:
    """A verified package in memory.

    Invariant: every value of `files` has the digest the manifest names.

    Attributes:
        path: the directory it was read from.
        manifest: names and digests.
        files: relative path -> bytes, as verified.
    """

    path: Path
    manifest: Manifest
    files: Mapping[str, bytes]

    def __repr__(self) -> str:
        size_bytes = sum(map(len, self.files.values()))
        return f"Package({self.name} {self.digest[:SHORT_DIGEST_CHARS]}, {size_bytes / 1e6:.1f} MB, {self.path})"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    @property
    def digest(self) -> str:
        """One digest over everything in the package."""
        return self.manifest.digest

    @property
    def model(self) -> bytes:
        """The ONNX graph."""
        return self.files[MODEL_FILE]

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
    with staged_directory(target, replace=replace) as staged:
        for path, data in files.items():
            (staged / path).parent.mkdir(exist_ok=True)
            (staged / path).write_bytes(data)
        (staged / MANIFEST_FILE).write_bytes(manifest.encode())
    return Package(target, manifest, files)


def load_package(path: Path, *, digest: str | None = None) -> Package:
    """Read a package and verify every digest before anything of it is used.

    Args:
        path: the package's directory.
        digest: the digest it must have, where the caller knows it (the registry does).

    Raises:
        NotFoundError: no such directory, or it holds no manifest.
        CorruptedError: a file is missing, altered or not named in the manifest.
        UnimplementedError: the package has a format version this code does not read.
    """
    manifest_path = path / MANIFEST_FILE
    if not manifest_path.is_file():
        raise NotFoundError(f"{path} is no model package: it holds no {MANIFEST_FILE}")
    manifest = Manifest.decode(manifest_path.read_bytes(), place=str(manifest_path))
    if digest is not None and manifest.digest != digest:
        raise _altered(
            digest, f"{MANIFEST_FILE} names digest {_short(manifest.digest)}, {_short(digest)} was asked for"
        )
    _check_names(path, manifest)
    return Package(path, manifest, {name: _verified(path, name, manifest) for name in sorted(manifest.files)})


def _check_names(path: Path, manifest: Manifest) -> None:
    present = {str(file.relative_to(path)) for file in path.rglob("*") if not file.is_dir() or file.is_symlink()}
    unknown = sorted(present - set(manifest.files) - {MANIFEST_FILE})
    if unknown:
        raise _altered(manifest.digest, f"{unknown[0]} is not named in the manifest")
    missing = sorted((set(manifest.files) | set(REQUIRED_FILES)) - present)
    if missing:
        raise _altered(manifest.digest, f"{missing[0]} is missing")
    unnamed = sorted(set(REQUIRED_FILES) - set(manifest.files))
    if unnamed:
        raise _altered(manifest.digest, f"the manifest does not name {unnamed[0]}")


def _verified(path: Path, name: str, manifest: Manifest) -> bytes:
    try:
        data = (path / name).read_bytes()
    except OSError as error:
        raise CorruptedError(
            f"package {manifest.digest[:SHORT_DIGEST_CHARS]}: {name} cannot be read: {error.strerror}"
        ) from error
    actual = digest_bytes(data)
    expected = manifest.files[name].digest
    if actual != expected:
        raise _altered(manifest.digest, f"{name} has digest {_short(actual)}, the manifest says {_short(expected)}")
    return data


def _altered(digest: str, what: str) -> CorruptedError:
    return CorruptedError(
        f"package {digest[:SHORT_DIGEST_CHARS]} was altered: {what}",
        hint="restore the package from its source: registering an intact copy again repairs the stored one",
    )


def _short(digest: str) -> str:
    return f"{digest[:SHORT_DIGEST_CHARS]}..."


def _encode(path: str, document: JsonDocument) -> bytes:
    try:
        data = json.loads(document) if isinstance(document, str) else document
        if not isinstance(data, Mapping):
            raise InvalidInputError(f"{path} must hold a JSON object, not {type(data).__name__}")
        return canonical_json(dict(data))
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{path} cannot be stored as JSON: {error}") from error
