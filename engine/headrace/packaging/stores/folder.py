"""A store in a folder: `packages/<digest>`, one writer at a time, whole folders only."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from headrace.core.errors import HeadraceError, UnavailableError
from headrace.core.files import write_atomic
from headrace.packaging.loading import load_package
from headrace.packaging.manifest import MANIFEST_FILE
from headrace.packaging.package import Package, write_package
from headrace.packaging.package_files import FolderFiles, PackageFiles
from headrace.packaging.signatures import read_signatures, signatures_folder


class FolderStore:
    """Packages by digest, in a folder of a POSIX file system.

    Invariants: a folder named by a digest is complete from the moment it is visible to the moment it is not; scratch
    folders start with a dot and belong to the holder of the lock, so whoever takes the lock next may sweep those a
    killed writer left.
    """

    def __init__(self, root: Path) -> None:
        self._packages = root / "packages"

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._packages)

    def path(self, digest: str) -> Path:
        """Where the package of this digest lies, or would lie."""
        return self._packages / digest

    def put(self, package: Package) -> None:
        """Store a verified package; storing it again is a no-op, or a repair where the stored copy was damaged."""
        with self._locked():
            if not self._is_intact(package.digest):
                write_package(package, self.path(package.digest), replace=True)

    def get(self, digest: str) -> Package:
        """Load and verify the package of a digest.

        Raises:
            NotFoundError: no such package.
            CorruptedError: the stored copy was altered.
        """
        return load_package(self.path(digest), digest=digest)

    def has(self, digest: str) -> bool:
        """Whether a package of this digest is there."""
        return (self.path(digest) / MANIFEST_FILE).is_file()

    def files(self, digest: str) -> PackageFiles:
        """The stored files as they are."""
        return FolderFiles(self.path(digest))

    def remove(self, digest: str) -> int:
        """Remove a package: it is renamed out of sight first, so no half of it is ever seen."""
        target, beside = self.path(digest), signatures_folder(self.path(digest))
        with self._locked():
            found = (file for place in (target, beside) for file in place.rglob("*"))
            size_bytes = sum(file.stat().st_size for file in found if file.is_file())
            for place in (target, beside):
                if place.exists():
                    gone = place.with_name(f".{place.name}.gone")
                    place.rename(gone)
                    shutil.rmtree(gone, ignore_errors=True)  # what is left of it, the next writer sweeps
        return size_bytes

    def sweep(self) -> None:
        """Remove scratch folders: whoever holds the lock knows that nobody works in them."""
        with self._locked():
            pass

    def sign(self, digest: str, name: str, signature: bytes) -> None:
        """Put a signature file beside a package."""
        write_atomic(signatures_folder(self.path(digest)) / name, signature)

    def signatures(self, digest: str) -> Mapping[str, bytes]:
        """Signature files beside a package, by name."""
        return read_signatures(self.path(digest))

    def _is_intact(self, digest: str) -> bool:
        if not self.path(digest).exists():
            return False
        try:
            self.get(digest)
        except HeadraceError:
            return False
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the store's lock; the kernel releases it when the holder dies, however it dies."""
        try:
            self._packages.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._packages / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UnavailableError(f"{self._packages} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for leftover in self._packages.glob(".*"):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
            yield
        finally:
            os.close(handle)
