"""Files by path, glob or URI: which ones there are, on the local disk or behind one of Arrow's file systems."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import SourceError, did_you_mean
from headrace.core.hashing import digest_json

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Location = str | Path | Callable[[], Path] | Sequence[str | Path]
"""A file, a glob (`*`, `?`, `[..]`, `**`), a URI (`s3://`, `gs://`, `abfs://`, `hdfs://`, `file://`), several of them,
or a function without arguments that finds the file when it is read."""

_GLOB = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://")


@dataclass(frozen=True)
class SourceFile:
    """One file to be read.

    Attributes:
        name: as messages show it: the path or URI.
        path: inside `filesystem`.
        filesystem: None is the local disk.
        size: bytes; None where the file system does not say.
        changed: when, as the file system says; None on the local disk, where the content is digested.
    """

    name: str
    path: str
    filesystem: FileSystem | None
    size: int | None
    changed: str | None = None

    def open(self) -> Any:
        """A binary stream that can seek.

        Raises:
            OSError: not readable.
        """
        if self.filesystem is None:
            return Path(self.path).open("rb")  # the caller closes it
        return self.filesystem.open_input_file(self.path)


def find_files(location: Location, filesystem: FileSystem | None = None) -> list[SourceFile]:
    """The files of a location, checked to exist, sorted by name within each glob.

    Args:
        location: what to look for.
        filesystem: look there and not on the local disk.

    Raises:
        SourceError: there is none, a folder stands there, or the function that finds it fails.
    """
    try:
        found = location() if callable(location) else location
    except (OSError, ImportError) as error:
        raise SourceError(f"the source's file cannot be found: {error}") from error
    places = [found] if isinstance(found, (str, Path)) else list(found)
    if not places:
        raise SourceError("the source names no file")
    return [file for place in places for file in _find(place, filesystem)]


class FileSource:
    """What sources of files have in common; they have `path` and `filesystem`."""

    path: Location
    filesystem: FileSystem | None

    def files(self) -> list[SourceFile]:
        """The files, checked to exist.

        Raises:
            SourceError: there is none.
        """
        return find_files(self.path, self.filesystem)

    def locate(self) -> Path:
        """The one local file, checked to exist.

        Raises:
            SourceError: there is no such file, the function that finds it fails, or the source names several files or
                files that are not on the local disk.
        """
        files = self.files()
        if len(files) != 1 or files[0].filesystem is not None:
            names = ", ".join(file.name for file in files[:3])
            raise SourceError(f"the source names no single file on the local disk but {names}")
        return Path(files[0].path)

    def title(self) -> str:
        """What a report calls the source: the file's name, or how many files there are."""
        files = self.files()
        return Path(files[0].path).name if len(files) == 1 else f"{len(files)} files"

    def content(self) -> str:
        """A digest that changes when the files do: of local content, elsewhere of names, sizes and times of change."""
        from headrace.core.hashing import digest_file

        return digest_json(
            [
                digest_file(Path(file.path)) if file.filesystem is None else [file.name, file.size, file.changed]
                for file in self.files()
            ]
        )

    def size(self) -> int | None:
        """Bytes of all files, packed as they are; None where a file system does not say."""
        sizes = [file.size for file in self.files()]
        return sum(size for size in sizes if size is not None) if None not in sizes else None


def _find(place: str | Path, filesystem: FileSystem | None) -> list[SourceFile]:
    text = str(place)
    try:
        if filesystem is not None:
            return _remote(text, text, filesystem)
        if isinstance(place, str) and _SCHEME.match(text):
            return _by_uri(text)
    except (OSError, ValueError) as error:  # Arrow's errors are among them
        raise SourceError(f"{text} cannot be looked up: {error}") from error
    path = Path(text)
    if path.is_file():
        return [SourceFile(text, text, None, path.stat().st_size)]
    if glob.has_magic(text) and not path.exists():
        matches = sorted(item for item in glob.glob(text, recursive=True) if Path(item).is_file())  # noqa: PTH207
        if not matches:
            raise SourceError(f"no file matches {text}", hint="write ** for folders at any depth")
        return [SourceFile(item, item, None, Path(item).stat().st_size) for item in matches]
    raise _missing(path)


def _missing(path: Path) -> SourceError:
    if path.is_dir():
        return SourceError(f"{path} is a folder; a source names files", hint=f"name its files with a glob: {path}/*")
    if not path.parent.is_dir():
        return SourceError(f"there is no folder {path.parent} for {path.name}")
    hint = did_you_mean(path.name, [item.name for item in path.parent.iterdir()])
    return SourceError(f"there is no file {path}", hint=hint)


def _by_uri(uri: str) -> list[SourceFile]:
    from pyarrow.fs import FileSystem, LocalFileSystem

    scheme, _, rest = uri.partition("://")
    rest, mark, query = rest.partition("?") if scheme != "file" else (rest, "", "")
    folder, wild = _split_glob(rest)
    system, path = FileSystem.from_uri(f"{scheme}://{folder}{mark}{query}")
    pattern = f"{path.rstrip('/')}/{wild}" if wild else path
    if isinstance(system, LocalFileSystem):
        return _find(Path(pattern), None)
    return _remote(uri, pattern, system)


def _remote(name: str, pattern: str, system: FileSystem) -> list[SourceFile]:
    from pyarrow.fs import FileSelector, FileType

    folder, wild = _split_glob(pattern)
    if not wild:
        info = system.get_file_info(pattern)
        if info.type != FileType.File:
            what = "is a folder; a source names files" if info.type == FileType.Directory else "does not exist"
            raise SourceError(f"{name} {what}")
        return [_file(name, info, system)]
    matches = re.compile(_expression(wild))
    deep = "**" in wild or "/" in wild
    infos = system.get_file_info(FileSelector(folder, recursive=deep, allow_not_found=True))
    prefix = len(folder.rstrip("/")) + 1 if folder else 0
    found = [info for info in infos if info.type == FileType.File and matches.fullmatch(info.path[prefix:])]
    if not found:
        raise SourceError(f"no file matches {name}", hint="write ** for folders at any depth")
    return [_file(info.path, info, system) for info in sorted(found, key=lambda info: info.path)]


def _file(name: str, info: Any, system: FileSystem) -> SourceFile:
    changed = None if info.mtime_ns is None else str(info.mtime_ns)
    return SourceFile(name, info.path, system, None if info.size is None else int(info.size), changed)


def _split_glob(path: str) -> tuple[str, str]:
    """The folder before the first wildcard, and the rest; the rest is empty without one."""
    if not glob.has_magic(path):
        return path, ""
    parts = path.split("/")
    first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:first]), "/".join(parts[first:])


def _expression(wild: str) -> str:
    """A glob as a regular expression; as on a disk, only `**` reaches over a slash."""
    said = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}

    def piece(text: str) -> str:
        if len(text) > 1 and text.startswith("["):
            return "[" + text[1:-1].replace("\\", r"\\").replace("!", "^", int(text[1] == "!")) + "]"
        return said.get(text, re.escape(text))

    return "".join(piece(match.group()) for match in _GLOB.finditer(wild))
