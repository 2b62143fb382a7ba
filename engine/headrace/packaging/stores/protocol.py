"""What a store of packages must do; `tests/packaging/stores/test_stores.py` holds every store to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from headrace.packaging.package import Package
from headrace.packaging.package_files import PackageFiles


class PackageStore(Protocol):
    """Packages by digest, and the signatures beside them.

    Invariants: what `has` says is there can be loaded; a package appears whole or not at all, and goes the same way; a
    process killed at any moment leaves nothing that is taken for a package.
    """

    @property
    def place(self) -> str:
        """Where the store is, for messages."""
        ...

    def path(self, digest: str) -> Path:
        """The folder where a package lies once it was loaded: in the store, or in the local cache of it."""
        ...

    def put(self, package: Package) -> None:
        """Store a verified package; again is a no-op, or a repair where the stored copy was damaged.

        Raises:
            UnavailableError: the store cannot be reached.
            CorruptedError: what can be read back is not what was written.
        """
        ...

    def get(self, digest: str) -> Package:
        """Load and verify the package of a digest.

        Raises:
            NotFoundError: no such package.
            CorruptedError: the stored copy was altered.
            UnavailableError: the store cannot be reached.
        """
        ...

    def has(self, digest: str) -> bool:
        """Whether a whole package of this digest is there; its content is not read.

        Raises:
            UnavailableError: the store cannot be reached.
        """
        ...

    def files(self, digest: str) -> PackageFiles:
        """The stored files as they are, for who verifies them one by one."""
        ...

    def remove(self, digest: str) -> int:
        """Remove a package and its signatures, and whatever an earlier attempt left; how many bytes that were.

        Raises:
            UnavailableError: the store cannot be reached.
        """
        ...

    def sweep(self) -> None:
        """Remove what killed writers left, where it can be told from what a writer is at."""
        ...

    def sign(self, digest: str, name: str, signature: bytes) -> None:
        """Put a signature file beside a package; the same name again replaces it.

        Raises:
            UnavailableError: the store cannot be reached.
        """
        ...

    def signatures(self, digest: str) -> Mapping[str, bytes]:
        """Signature files beside a package, by name.

        Raises:
            UnavailableError: the store cannot be reached.
        """
        ...
