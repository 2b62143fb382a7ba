"""The content-addressed store of packages: `packages/<digest>`, one writer at a time, whole folders only."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.core.errors import HeadraceError
from headrace.core.files import staged_directory
from headrace.packaging.manifest import MANIFEST_FILE
from headrace.packaging.package import Package, load_package


class PackageStore:
    """Packages by digest.

    Invariants: a folder named by a digest is complete from the moment it is visible; scratch folders start with a dot
    and belong to the holder of the lock, so whoever takes the lock next may sweep those a killed writer left.
    """

    def __init__(self, root: Path) -> None:
        self._packages = root / "packages"

    def path(self, digest: str) -> Path:
        """Where the package of this digest lies, or would lie."""
        return self._packages / digest

    def put(self, package: Package) -> Path:
        """Store a verified package; storing it again is a no-op, or a repair where the stored copy was damaged."""
        target = self.path(package.digest)
        with self._locked():
            intact = self._is_intact(package.digest)
            if not intact:
                with staged_directory(target, replace=True) as staged:
                    for name, data in package.files.items():
                        (staged / name).parent.mkdir(exist_ok=True)
                        (staged / name).write_bytes(data)
                    (staged / MANIFEST_FILE).write_bytes(package.manifest.encode())
        return target

    def get(self, digest: str) -> Package:
        """Load and verify the package of a digest.

        Raises:
            NotFoundError: no such package.
            CorruptedError: the stored copy was altered.
        """
        return load_package(self.path(digest), digest=digest)

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
        self._packages.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._packages / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for leftover in self._packages.glob(".*"):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
            yield
        finally:
            os.close(handle)
