"""Where the files of one package are read from: a folder, memory (an archive that was read), an object store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class PackageFiles(Protocol):
    """The files of one package, as they lie there: nothing is verified yet."""

    @property
    def place(self) -> str:
        """Where they are, for messages."""
        ...

    def names(self) -> frozenset[str]:
        """Relative paths of all files, with `/`; a link is a file."""
        ...

    def read(self, name: str) -> bytes:
        """Content of a file.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        ...


class FolderFiles:
    """A package as a directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        """The directory."""
        return str(self._path)

    def names(self) -> frozenset[str]:
        """Every file and link under the directory."""
        found = (file for file in self._path.rglob("*") if not file.is_dir() or file.is_symlink())
        return frozenset(file.relative_to(self._path).as_posix() for file in found)

    def read(self, name: str) -> bytes:
        """Content of a file."""
        return (self._path / name).read_bytes()


class MemoryFiles:
    """A package that was read already."""

    def __init__(self, place: str, contents: Mapping[str, bytes]) -> None:
        self._place = place
        self._contents = contents

    @property
    def place(self) -> str:
        """Where it was read from."""
        return self._place

    def names(self) -> frozenset[str]:
        """The names given."""
        return frozenset(self._contents)

    def read(self, name: str) -> bytes:
        """Content of a file."""
        try:
            return self._contents[name]
        except KeyError as error:
            raise FileNotFoundError(2, "no such file", name) from error
