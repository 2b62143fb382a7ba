"""The manifest of a model package: its format version, the digest of every file, one digest over all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import CorruptedError, UnimplementedError
from headrace.core.hashing import SHORT_DIGEST_CHARS, canonical_json, digest_bytes, digest_json

FORMAT = "headrace-package"
FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class FileEntry:
    """One file of a package: SHA-256 of its content, and its size."""

    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Manifest:
    """What a package holds.

    Invariant: `digest` is the SHA-256 of the canonical JSON of every other field, so it names the whole package.

    Attributes:
        name: the model's name.
        files: relative path -> entry, every file of the package but the manifest.
        digest: the package's digest.
    """

    name: str
    files: Mapping[str, FileEntry]
    digest: str

    @classmethod
    def of(cls, name: str, contents: Mapping[str, bytes]) -> Manifest:
        """Describe file contents."""
        files = {path: FileEntry(digest_bytes(data), len(data)) for path, data in sorted(contents.items())}
        return cls(name, files, digest_json(_body(name, files)))

    def encode(self) -> bytes:
        """Encode as the bytes of `manifest.json`."""
        return canonical_json(_body(self.name, self.files) | {"digest": self.digest})

    @classmethod
    def decode(cls, content: bytes, *, place: str) -> Manifest:
        """Read `manifest.json` and check that its digest covers its entries.

        Args:
            content: the file's bytes.
            place: where it was read from, for messages.

        Raises:
            CorruptedError: not a manifest, or its digest does not match its entries.
            UnimplementedError: a format version this code does not read.
        """
        try:
            body = json.loads(content)
        except ValueError as error:
            raise CorruptedError(f"{place} is not JSON: {error}", hint=_HINT) from error
        if not isinstance(body, dict) or body.get("format") != FORMAT:
            raise CorruptedError(f"{place} is not the manifest of a model package", hint=_HINT)
        version = body.get("format_version")
        if version != FORMAT_VERSION:
            raise UnimplementedError(
                f"{place} has package format version {version!r}; this Headrace reads version {FORMAT_VERSION}",
                hint="use the Headrace version that wrote the package, or package the model again",
            )
        manifest = cls._checked(body, place)
        if manifest.encode() != content:  # the same entries in other words: not a byte may differ
            raise CorruptedError(f"{place} was altered: it is not in the form that Headrace writes", hint=_HINT)
        return manifest

    @classmethod
    def _checked(cls, body: dict[str, Any], place: str) -> Manifest:
        try:
            files = {
                str(path): FileEntry(str(entry["digest"]), int(entry["size_bytes"]))
                for path, entry in body["files"].items()
            }
            manifest = cls(str(body["name"]), files, str(body["digest"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CorruptedError(f"{place} is damaged: {error!r}", hint=_HINT) from error
        actual = digest_json(_body(manifest.name, files))
        if actual != manifest.digest:
            raise CorruptedError(
                f"{place} was altered: its entries have digest {actual[:SHORT_DIGEST_CHARS]}..., "
                f"it says {manifest.digest[:SHORT_DIGEST_CHARS]}...",
                hint=_HINT,
            )
        return manifest


_HINT = "restore the package from its source or register it again"


def _body(name: str, files: Mapping[str, FileEntry]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": name,
        "files": {path: {"digest": entry.digest, "size_bytes": entry.size_bytes} for path, entry in files.items()},
    }
