"""Loading a package: every file is read once, and the bytes that were checked are the bytes that are handed out.

This module is imported by serving: it knows JSON and digests, no training library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.core.errors import CorruptedError, HeadraceError, NotFoundError
from headrace.core.hashing import SHORT_DIGEST_CHARS, digest_bytes
from headrace.packaging.manifest import MANIFEST_FILE, Manifest
from headrace.packaging.package import REQUIRED_FILES, Package
from headrace.packaging.package_files import FolderFiles, PackageFiles

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?")


@dataclass(frozen=True)
class FileCheck:
    """What was found of one file.

    Attributes:
        name: its relative path.
        size_bytes: as it lies there; 0 where it cannot be read.
        digest: of what lies there; None where it cannot be read.
        problem: why it is refused; None where it is what the manifest says.
    """

    name: str
    size_bytes: int
    digest: str | None
    problem: HeadraceError | None = None


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
    return read_package(FolderFiles(path), path=path, digest=digest)


def read_package(files: PackageFiles, *, path: Path, digest: str | None = None) -> Package:
    """Read a package from wherever its files are; arguments and errors as for `load_package`."""
    manifest = read_manifest(files, digest=digest)
    _check_names(files.names(), manifest)
    return Package(path, manifest, {name: _verified(files, name, manifest) for name in sorted(manifest.files)})


def read_manifest(files: PackageFiles, *, digest: str | None = None) -> Manifest:
    """Read and check the manifest alone; errors as for `load_package`."""
    try:
        content = files.read(MANIFEST_FILE)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"{files.place} is no model package: it holds no {MANIFEST_FILE}") from error
    except OSError as error:
        raise CorruptedError(f"{files.place}: {MANIFEST_FILE} cannot be read: {error.strerror}") from error
    manifest = Manifest.decode(content, place=f"{files.place}/{MANIFEST_FILE}")
    if digest is not None and manifest.digest != digest:
        raise _altered(
            digest, f"{MANIFEST_FILE} names digest {_short(manifest.digest)}, {_short(digest)} was asked for"
        )
    return manifest


def check_files(files: PackageFiles, manifest: Manifest) -> Iterator[FileCheck]:
    """Check file by file and go on after a bad one, for people who want to know all that is wrong."""
    there = files.names() - {MANIFEST_FILE}
    for name in sorted(there | set(manifest.files) | set(REQUIRED_FILES)):
        content = b""
        try:
            if name not in manifest.files:
                raise _unnamed(manifest, name, there=name in there)
            if name not in there:
                raise _altered(manifest.digest, f"{name} is missing")
            content = files.read(name)
            _check_content(name, content, manifest)
        except OSError as error:
            yield FileCheck(name, 0, None, _unreadable(manifest, name, error))
        except CorruptedError as error:
            yield FileCheck(name, len(content), digest_bytes(content) if content else None, error)
        else:
            yield FileCheck(name, len(content), manifest.files[name].digest)


def _check_names(present: frozenset[str], manifest: Manifest) -> None:
    unknown = sorted(present - set(manifest.files) - {MANIFEST_FILE})
    if unknown:
        raise _unnamed(manifest, unknown[0], there=True)
    missing = sorted((set(manifest.files) | set(REQUIRED_FILES)) - present)
    if missing:
        raise _altered(manifest.digest, f"{missing[0]} is missing")
    unnamed = sorted(set(REQUIRED_FILES) - set(manifest.files))
    if unnamed:
        raise _unnamed(manifest, unnamed[0], there=False)
    outside = sorted(name for name in manifest.files if not _NAME.fullmatch(name))
    if outside:  # a package that came in an archive may name anything, and names become paths in the store
        raise _altered(manifest.digest, f"{outside[0]!r} is no name of a file in a package")


def _verified(files: PackageFiles, name: str, manifest: Manifest) -> bytes:
    try:
        content = files.read(name)
    except OSError as error:
        raise _unreadable(manifest, name, error) from error
    _check_content(name, content, manifest)
    return content


def _check_content(name: str, content: bytes, manifest: Manifest) -> None:
    actual, expected = digest_bytes(content), manifest.files[name].digest
    if actual != expected:
        raise _altered(manifest.digest, f"{name} has digest {_short(actual)}, the manifest says {_short(expected)}")


def _unnamed(manifest: Manifest, name: str, *, there: bool) -> CorruptedError:
    shown = name.encode("utf-8", "backslashreplace").decode()  # a name on disk may be no text
    said = f"{shown} is not named in the manifest" if there else f"the manifest does not name {shown}"
    return _altered(manifest.digest, said)


def _unreadable(manifest: Manifest, name: str, error: OSError) -> CorruptedError:
    return CorruptedError(
        f"package {manifest.digest[:SHORT_DIGEST_CHARS]}: {name} cannot be read: {error.strerror or error}"
    )


def _altered(digest: str, what: str) -> CorruptedError:
    return CorruptedError(
        f"package {digest[:SHORT_DIGEST_CHARS]} was altered: {what}",
        hint="restore the package from its source: registering an intact copy again repairs the stored one",
    )


def _short(digest: str) -> str:
    return f"{digest[:SHORT_DIGEST_CHARS]}..."
