"""A store in an object store: `packages/<digest>/<file>`, the manifest last; loaded packages are kept locally.

An object store has no rename and no lock. It has puts of whole objects, and that is enough: the objects of a digest
have only one right content, so several writers write the same bytes, and a package is there when its manifest is.
Imported where a URI names such a store, because it loads pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.core.errors import CorruptedError, InvalidInputError, NotFoundError, UnavailableError
from headrace.packaging.loading import read_package
from headrace.packaging.manifest import MANIFEST_FILE
from headrace.packaging.package import Package
from headrace.packaging.signatures import SUFFIX
from headrace.packaging.stores.folder import FolderStore

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem


class ObjectStore:
    """Packages by digest behind one of Arrow's file systems.

    Args:
        uri: bucket and prefix, `s3://bucket/models`; credentials come as the file system's own tools take them.
        cache: a local folder; a package is fetched once and loaded, verified, from there.

    Raises:
        InvalidInputError: the URI cannot be read, or this installation has no such file system.
    """

    def __init__(self, uri: str, *, cache: Path) -> None:
        from pyarrow.fs import FileSystem

        try:
            self._system, root = FileSystem.from_uri(uri)
        except (OSError, ValueError, NotImplementedError) as error:
            raise InvalidInputError(f"{_shown(uri)} cannot be used as a store of packages: {error}") from error
        if not root.strip("/"):
            raise InvalidInputError(f"{_shown(uri)} cannot be used as a store of packages: it names no bucket")
        self._packages = f"{root.rstrip('/')}/packages"
        self._shown = f"{_shown(uri).rstrip('/')}/packages"
        self._cache = FolderStore(cache)

    @property
    def place(self) -> str:
        """The URI, without credentials."""
        return self._shown

    def path(self, digest: str) -> Path:
        """Where the package lies in the local cache once it was loaded."""
        return self._cache.path(digest)

    def put(self, package: Package) -> None:
        """Store a verified package, its manifest last, and read it back."""
        if self._is_intact(package.digest):
            return
        files = self.files(package.digest)
        for name, content in sorted(package.files.items()):
            files.write(name, content)
        files.write(MANIFEST_FILE, package.manifest.encode())
        self._cache.put(self._fetch(package.digest))

    def get(self, digest: str) -> Package:
        """Load a package: the cached copy where it is intact, else the stored one, which is then cached."""
        try:
            return self._cache.get(digest)
        except (NotFoundError, CorruptedError):
            package = self._fetch(digest)
        self._cache.put(package)
        return Package(self.path(digest), package.manifest, package.files)

    def has(self, digest: str) -> bool:
        """Whether the manifest of this digest is there."""
        return MANIFEST_FILE in self.files(digest).names()

    def files(self, digest: str) -> ObjectFiles:
        """The stored objects as they are."""
        return ObjectFiles(self._system, f"{self._packages}/{digest}", f"{self._shown}/{digest}")

    def remove(self, digest: str) -> int:
        """Remove a package: its manifest first, then nothing of it is taken for a package."""
        files, beside = self.files(digest), self._beside(digest)
        size_bytes = files.remove(first=MANIFEST_FILE) + beside.remove()
        self._cache.remove(digest)
        return size_bytes

    def sweep(self) -> None:
        """Leave everything: without a lock, what a killed writer left looks like what a living one is at."""

    def sign(self, digest: str, name: str, signature: bytes) -> None:
        """Put a signature file beside a package."""
        self._beside(digest).write(name, signature)

    def signatures(self, digest: str) -> Mapping[str, bytes]:
        """Signature files beside a package, by name."""
        beside = self._beside(digest)
        return {name: beside.read(name) for name in sorted(beside.names())}

    def _beside(self, digest: str) -> ObjectFiles:
        return ObjectFiles(self._system, f"{self._packages}/{digest}{SUFFIX}", f"{self._shown}/{digest}{SUFFIX}")

    def _fetch(self, digest: str) -> Package:
        return read_package(self.files(digest), path=self.path(digest), digest=digest)

    def _is_intact(self, digest: str) -> bool:
        try:
            self._fetch(digest)
        except (NotFoundError, CorruptedError):
            return False
        return True


class ObjectFiles:
    """Objects under one prefix, as the files of a package.

    Every method raises UnavailableError where the store cannot be reached; what is not there is an OSError, as on disk.
    """

    def __init__(self, system: FileSystem, prefix: str, shown: str) -> None:
        self._system = system
        self._prefix = prefix
        self.place = shown

    def names(self) -> frozenset[str]:
        """Every object under the prefix."""
        return frozenset(info.path.removeprefix(f"{self._prefix}/") for info in self._objects())

    def read(self, name: str) -> bytes:
        """Content of an object."""
        with self._reached(), self._system.open_input_file(f"{self._prefix}/{name}") as opened:
            content: bytes = opened.read()
        return content

    def write(self, name: str, content: bytes) -> None:
        """Put an object; it appears whole."""
        # Compression by file name is Arrow's default, and would change the bytes.
        with (
            self._reached(),
            self._system.open_output_stream(f"{self._prefix}/{name}", compression=None) as out,
        ):
            out.write(content)

    def remove(self, first: str = "") -> int:
        """Remove every object, one of them before all others; how many bytes that were."""
        objects = sorted(self._objects(), key=lambda info: not info.path.endswith(f"/{first}"))
        with self._reached():
            for info in objects:
                self._system.delete_file(info.path)
        return sum(info.size or 0 for info in objects)

    def _objects(self) -> list[FileInfo]:
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(self._prefix, recursive=True, allow_not_found=True)
        with self._reached():
            return [info for info in self._system.get_file_info(selector) if info.type == FileType.File]

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UnavailableError(f"{self.place} cannot be reached: {_first_line(error)}") from error


def _shown(uri: str) -> str:
    """A URI without user, password and query: credentials may be in each of them."""
    scheme, _, rest = uri.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _first_line(error: OSError) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
