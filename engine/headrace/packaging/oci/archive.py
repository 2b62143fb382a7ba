"""A layout as a folder or as one tar file: written the same every time, read without unpacking."""

from __future__ import annotations

import io
import re
import stat
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from headrace.core.errors import AlreadyExistsError, CorruptedError, InvalidInputError, NotFoundError
from headrace.core.files import staged_directory, write_atomic
from headrace.packaging.oci.layout import INDEX_FILE, LAYOUT_FILE, MAX_FILES, LayoutFiles, build_layout
from headrace.packaging.package import Package

_NAMES = re.compile(rf"{LAYOUT_FILE}|{re.escape(INDEX_FILE)}|blobs/sha256/[0-9a-f]{{64}}")
_FOLDERS = {"blobs", "blobs/sha256"}


def export_package(package: Package, signatures: Mapping[str, bytes], target: Path, *, replace: bool = False) -> Path:
    """Write a package as an OCI image layout: a tar file where the name ends with `.tar`, else a folder.

    The file, or folder, appears whole or not at all. Names are sorted and times are zero, so equal packages and
    signatures give equal bytes.

    Raises:
        AlreadyExistsError: the target exists and `replace` is false.
    """
    layout = build_layout(package, signatures)
    if target.suffix == ".tar":
        if target.exists() and not replace:
            raise AlreadyExistsError(f"{target} exists already", hint="choose another name, or say --replace")
        write_atomic(target, _tar(layout))
        return target
    with staged_directory(target, replace=replace) as staged:
        for name, content in layout.items():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).write_bytes(content)
    return target


@contextmanager
def open_layout(place: Path) -> Iterator[LayoutFiles]:
    """Open a layout for reading.

    Raises:
        NotFoundError: there is nothing at that place.
        CorruptedError: the tar file is damaged, or holds anything but plain files of a layout.
        InvalidInputError: it is neither a folder nor an uncompressed tar file.
    """
    if place.is_dir():
        yield _FolderLayout(place)
        return
    if not place.is_file():
        raise NotFoundError(f"there is nothing to import at {place}")
    try:
        archive = tarfile.open(place, "r:")  # noqa: SIM115  closed below; "r:" takes no compression, so no bomb
    except tarfile.TarError as error:
        raise InvalidInputError(f"{place} is no uncompressed tar file: {error}") from error
    with archive:
        yield _TarLayout(place, archive)


class _FolderLayout:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.place = str(root)

    def read(self, name: str, *, most_bytes: int) -> bytes:
        file = self._root / name
        try:
            if not stat.S_ISREG(file.lstat().st_mode):
                raise CorruptedError(f"{self.place}: {name} is no plain file")
            with file.open("rb") as opened:
                content = opened.read(most_bytes + 1)
        except OSError as error:
            raise CorruptedError(f"{self.place}: {name} cannot be read: {error.strerror}") from error
        return _bounded(self.place, name, content, most_bytes)


class _TarLayout:
    """Members are looked at and read, never unpacked: no name of the archive becomes a path."""

    def __init__(self, place: Path, archive: tarfile.TarFile) -> None:
        self.place = str(place)
        self._archive = archive
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in self._listed():
            name = member.name.removeprefix("./").rstrip("/")
            if member.isdir() and name in _FOLDERS | {"", "."}:
                continue
            if not member.isreg() or not _NAMES.fullmatch(name) or name in self._members:
                raise CorruptedError(
                    f"{self.place} holds {member.name!r}, which does not belong into an OCI layout: it is "
                    f"{'a file of that name' if member.isreg() else 'no plain file'}"
                )
            self._members[name] = member

    def read(self, name: str, *, most_bytes: int) -> bytes:
        member = self._members.get(name)
        if member is None:
            raise CorruptedError(f"{self.place}: {name} is missing")
        if member.size > most_bytes:
            raise CorruptedError(f"{self.place}: {name} has {member.size} bytes; allowed are {most_bytes}")
        try:
            opened = self._archive.extractfile(member)
            assert opened is not None, "it is a plain file"
            content = opened.read(most_bytes + 1)
        except (OSError, tarfile.TarError) as error:
            raise CorruptedError(f"{self.place}: {name} cannot be read: {error}") from error
        return _bounded(self.place, name, content, most_bytes)

    def _listed(self) -> Iterator[tarfile.TarInfo]:
        try:
            for number, member in enumerate(self._archive):
                if number > 2 * MAX_FILES:
                    raise CorruptedError(f"{self.place} holds more than {2 * MAX_FILES} members")
                yield member
        except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
            raise CorruptedError(f"{self.place} is damaged: {error}") from error


def _bounded(place: str, name: str, content: bytes, most_bytes: int) -> bytes:
    if len(content) > most_bytes:
        raise CorruptedError(f"{place}: {name} is larger than the {most_bytes} bytes allowed")
    return content


def _tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)  # its times, owner and group are zero and empty
            member.size, member.mode = len(files[name]), 0o644
            archive.addfile(member, io.BytesIO(files[name]))
    return out.getvalue()
