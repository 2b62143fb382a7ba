"""Find a package by what a person names: a version of the registry, or a directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.core.database import database_exists
from headrace.core.errors import InvalidInputError, NotFoundError
from headrace.packaging import Package, Registry
from headrace.packaging.loading import read_package
from headrace.packaging.manifest import MANIFEST_FILE
from headrace.packaging.package_files import FolderFiles, PackageFiles
from headrace.packaging.signatures import read_signatures, signatures_folder
from headrace.pipeline.models import opened_registry
from headrace.pipeline.workspace import Workspace


@dataclass(frozen=True)
class FoundPackage:
    """A package that was found; nothing of it is verified before `load`.

    Attributes:
        shown: what it is called in answers: `late@2`, or the directory.
        files: as they lie there.
        path: its directory, or where the registry's store keeps it.
        digest: what it must have; None for a directory, which can only be held against its own manifest.
        version: of the registry; None for a directory.
        signatures: signature files beside it, by name.
        registry: where it is registered; None for a directory.
    """

    shown: str
    files: PackageFiles
    path: Path
    digest: str | None
    version: int | None
    signatures: Mapping[str, bytes]
    registry: Registry | None

    def load(self) -> Package:
        """Read and verify every file; raises as `load_package`."""
        if self.registry is not None:
            return self.registry.load(self.shown)
        return read_package(self.files, path=self.path, digest=self.digest)

    def load_unsigned(self) -> Package:
        """Read and verify every file, whoever signed it or did not."""
        return read_package(self.files, path=self.path, digest=self.digest)

    def sign(self, digest: str, name: str, signature: bytes) -> str:
        """Put a signature beside the package; where it lies then."""
        if self.registry is not None:
            self.registry.store.sign(digest, name, signature)
            return f"{self.registry.store.place}/{signatures_folder(Path(digest)).name}/{name}"
        target = signatures_folder(self.path.resolve()) / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(signature)
        return str(target)


@contextmanager
def found_package(workspace: Workspace, place: str) -> Iterator[FoundPackage]:
    """Find a package; an existing directory is taken before a reference.

    Args:
        workspace: where references are looked up.
        place: `late`, `late@2`, `late@champion`, or a directory.

    Raises:
        NotFoundError: there is no such directory, registry, model, version or alias.
        InvalidInputError: the text is neither a reference nor an existing directory.
    """
    folder = Path(place)
    if folder.is_dir() or "/" in place:
        yield _in_folder(folder)
        return
    if not database_exists(workspace.database):
        raise NotFoundError(
            f"'{place}' is no directory, and there is no registry in {workspace.home} to look it up in",
            hint="name the folder of your run with --home, or the package's directory",
        )
    with opened_registry(workspace) as registry:
        try:
            version = registry.resolve(place)
        except InvalidInputError as error:
            raise InvalidInputError(f"'{place}' is no directory here, and {error.message}", hint=error.hint) from error
        registry.check_kept(version, place)
        store = registry.store
        yield FoundPackage(
            shown=str(version),
            files=store.files(version.digest),
            path=version.path,
            digest=version.digest,
            version=version.version,
            signatures=store.signatures(version.digest),
            registry=registry,
        )


def _in_folder(folder: Path) -> FoundPackage:
    if not (folder / MANIFEST_FILE).is_file():
        what = f"it holds no {MANIFEST_FILE}" if folder.is_dir() else "there is no such directory"
        raise NotFoundError(f"{folder} is no model package: {what}", hint="a version of the registry is written late@2")
    return FoundPackage(
        shown=str(folder),
        files=FolderFiles(folder),
        path=folder,
        digest=None,
        version=None,
        signatures=read_signatures(folder.resolve()),
        registry=None,
    )
