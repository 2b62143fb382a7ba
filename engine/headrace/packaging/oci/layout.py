"""An OCI image layout with one package: a layer a file, signatures as artifacts that refer to the package's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from headrace.core.errors import CorruptedError, InvalidInputError, UnimplementedError
from headrace.core.hashing import canonical_json, digest_bytes
from headrace.packaging.loading import read_package
from headrace.packaging.manifest import MANIFEST_FILE
from headrace.packaging.package import CUDA_MODEL_FILE, MODEL_FILE, Package
from headrace.packaging.package_files import MemoryFiles
from headrace.packaging.signatures import MAX_SIGNATURE_BYTES

PACKAGE_TYPE = "application/vnd.headrace.package.v1"
SIGNATURE_TYPE = "application/vnd.headrace.signature.v1+json"
MODEL_TYPE = "application/vnd.headrace.model.v1+onnx"
DOCUMENT_TYPE = "application/vnd.headrace.document.v1+json"
TEXT_TYPE = "text/markdown"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
TITLE = "org.opencontainers.image.title"
REF_NAME = "org.opencontainers.image.ref.name"

LAYOUT_FILE, INDEX_FILE = "oci-layout", "index.json"
MAX_DOCUMENT_BYTES = 4 * 2**20
MAX_FILE_BYTES = 2 * 2**30
MAX_FILES = 256
_EMPTY = b"{}"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class LayoutFiles(Protocol):
    """Where a layout is read from."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        ...

    def read(self, name: str, *, most_bytes: int) -> bytes:
        """Content of a file.

        Raises:
            CorruptedError: it is not there, no plain file, or larger.
        """
        ...


@dataclass(frozen=True)
class Imported:
    """A package that was read from a layout.

    Attributes:
        package: verified.
        signatures: by file name; they are checked where somebody asks for one.
    """

    package: Package
    signatures: Mapping[str, bytes]


def build_layout(package: Package, signatures: Mapping[str, bytes]) -> dict[str, bytes]:
    """Give the files of a layout by path; equal packages and signatures give equal bytes."""
    blobs: dict[str, bytes] = {}
    contents = {MANIFEST_FILE: package.manifest.encode(), **package.files}
    layers = [_layer(blobs, name, content) for name, content in sorted(contents.items())]
    annotations = {"io.headrace.model": package.name, "io.headrace.digest": package.digest}
    described = _manifest(blobs, PACKAGE_TYPE, layers, annotations=annotations)
    manifests = [described | {"artifactType": PACKAGE_TYPE, "annotations": {REF_NAME: package.name}}]
    for name, content in sorted(signatures.items()):
        signed = _manifest(blobs, SIGNATURE_TYPE, [_layer(blobs, name, content, SIGNATURE_TYPE)], subject=described)
        manifests.append(signed | {"artifactType": SIGNATURE_TYPE})
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}
    return {
        LAYOUT_FILE: canonical_json({"imageLayoutVersion": "1.0.0"}),
        INDEX_FILE: canonical_json(index),
        **{f"blobs/sha256/{digest}": content for digest, content in sorted(blobs.items())},
    }


def read_layout(files: LayoutFiles) -> Imported:
    """Read the one package of a layout and verify it: the layout's digests first, the package's own then.

    Raises:
        CorruptedError: a part is missing, altered, too large or not what it says.
        InvalidInputError: the layout holds no package, or several.
        UnimplementedError: a layout, or a package, of a version this code does not read.
    """
    version = _document(files, files.read(LAYOUT_FILE, most_bytes=MAX_DOCUMENT_BYTES)).get("imageLayoutVersion")
    if version != "1.0.0":
        raise UnimplementedError(f"{files.place} is an OCI layout of version {version!r}; version 1.0.0 is read")
    index = _document(files, files.read(INDEX_FILE, most_bytes=MAX_DOCUMENT_BYTES))
    entries = _list(files, index, "manifests")
    manifests = [
        _document(files, _blob(files, entry, MAX_DOCUMENT_BYTES)) | {"digest": entry["digest"]} for entry in entries
    ]
    found = [one for one in manifests if one.get("artifactType") == PACKAGE_TYPE]
    if len(found) != 1:
        what = "no model package" if not found else f"{len(found)} model packages, and one is wanted"
        raise InvalidInputError(f"{files.place} holds {what}", hint="`headrace models export` writes what is read here")
    layers = _layers(files, found[0], MAX_FILE_BYTES)
    package = read_package(MemoryFiles(files.place, layers), path=Path(files.place))
    signatures: dict[str, bytes] = {}
    for one in manifests:
        subject = one.get("subject")
        of_package = isinstance(subject, Mapping) and subject.get("digest") == found[0]["digest"]
        if one.get("artifactType") == SIGNATURE_TYPE and of_package:
            signatures |= _layers(files, one, MAX_SIGNATURE_BYTES)
    for name in signatures:
        if not re.fullmatch(r"[0-9a-f]{1,64}\.json", name):
            raise CorruptedError(f"{files.place}: '{name}' is no name of a signature file")
    return Imported(package, signatures)


def _layer(blobs: dict[str, bytes], name: str, content: bytes, media_type: str | None = None) -> dict[str, Any]:
    by_name = {MODEL_FILE: MODEL_TYPE, CUDA_MODEL_FILE: MODEL_TYPE}
    by_kind = TEXT_TYPE if name.endswith(".md") else DOCUMENT_TYPE
    described = _descriptor(blobs, content, media_type or by_name.get(name, by_kind))
    return described | {"annotations": {TITLE: name}}


def _manifest(
    blobs: dict[str, bytes],
    artifact_type: str,
    layers: list[dict[str, Any]],
    *,
    subject: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": artifact_type,
        "config": _descriptor(blobs, _EMPTY, EMPTY_TYPE),
        "layers": layers,
    }
    body |= {"subject": dict(subject)} if subject else {}
    body |= {"annotations": dict(annotations)} if annotations else {}
    return _descriptor(blobs, canonical_json(body), MANIFEST_TYPE)


def _descriptor(blobs: dict[str, bytes], content: bytes, media_type: str) -> dict[str, Any]:
    digest = digest_bytes(content)
    blobs[digest] = content
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _layers(files: LayoutFiles, manifest: Mapping[str, Any], most_bytes: int) -> dict[str, bytes]:
    """Layers by title."""
    found: dict[str, bytes] = {}
    for layer in _list(files, manifest, "layers"):
        annotations = layer.get("annotations")
        title = annotations.get(TITLE) if isinstance(annotations, Mapping) else None
        if not isinstance(title, str) or title in found:
            raise CorruptedError(f"{files.place}: a layer has no title, or another layer's: {title!r}")
        found[title] = _blob(files, layer, most_bytes)
    return found


def _blob(files: LayoutFiles, descriptor: Mapping[str, Any], most_bytes: int) -> bytes:
    """Content that a descriptor names, of the size and digest it says."""
    digest, size = descriptor.get("digest"), descriptor.get("size")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest) or not isinstance(size, int):
        raise CorruptedError(f"{files.place}: a descriptor has no SHA-256 digest and size: {digest!r}, {size!r}")
    if not 0 <= size <= most_bytes:
        raise CorruptedError(f"{files.place}: blob {digest} is said to have {size} bytes; allowed are {most_bytes}")
    content = files.read(f"blobs/sha256/{digest.removeprefix('sha256:')}", most_bytes=size)
    if len(content) != size or f"sha256:{digest_bytes(content)}" != digest:
        raise CorruptedError(f"{files.place}: blob {digest} was altered")
    return content


def _list(files: LayoutFiles, document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = document.get(name)
    if not isinstance(found, list) or len(found) > MAX_FILES or not all(isinstance(one, dict) for one in found):
        raise CorruptedError(f"{files.place}: '{name}' is no list of at most {MAX_FILES} descriptors")
    return found


def _document(files: LayoutFiles, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CorruptedError(f"{files.place}: a document is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise CorruptedError(f"{files.place}: a document is no JSON object")
    return document
