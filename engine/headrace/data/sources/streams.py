"""A file's bytes one after the other, unpacked where they are packed: gzip, Zstandard, zip with one member.

What a file is packed with is read from its first bytes, not from its name.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headrace.core.errors import SourceError

if TYPE_CHECKING:
    from headrace.data.sources.files import SourceFile

GZIP, ZSTD, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK"


class ByteStream:
    """Bytes of one file in order; every failure is told with the file's name.

    Attributes:
        name: of the file.
        packed: whether it is unpacked on the way.
    """

    def __init__(self, name: str, raw: Any, unpacked: Any) -> None:
        self.name = name
        self.packed = unpacked is not raw
        self._raw = raw
        self._unpacked = unpacked
        self._peeked = b""

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, which the next `read` gives again."""
        self._peeked = self.read(count)
        return self._peeked

    def read(self, count: int) -> bytes:
        """The next `count` bytes; fewer only where the file ends.

        Raises:
            SourceError: the disk, the store or the packing failed.
        """
        pieces = [self._peeked[:count]] if self._peeked else []
        wanted = count - len(self._peeked[:count])
        self._peeked = self._peeked[count:]
        with _told(self.name):
            while wanted > 0:
                piece = self._unpacked.read(wanted)
                if not piece:
                    break
                pieces.append(piece)
                wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def position(self) -> int:
        """How many bytes of the file itself (packed, where it is) were read."""
        with _told(self.name):
            return int(self._raw.tell())


@contextmanager
def open_bytes(file: SourceFile) -> Iterator[ByteStream]:
    """Open a file and unpack it on the way.

    Raises:
        SourceError: not readable, or a zip archive that is broken or does not hold exactly one file.
    """
    with _told(file.name):
        raw = file.open()
    try:
        with _told(file.name):
            start = raw.read(4)
            raw.seek(0)
            unpacked = _unpack(file.name, raw, start)
        yield ByteStream(file.name, raw, unpacked)
    finally:
        raw.close()


def _unpack(name: str, raw: Any, start: bytes) -> Any:
    if start.startswith(GZIP):
        import gzip

        return gzip.GzipFile(fileobj=raw)  # checks length and checksum at the end of each member
    if start.startswith(ZSTD):
        import pyarrow as pa

        return pa.CompressedInputStream(raw if isinstance(raw, pa.NativeFile) else pa.PythonFile(raw), "zstd")
    if start.startswith(ZIP) and zipfile.is_zipfile(raw):
        return _one_member(name, zipfile.ZipFile(raw))
    if start.startswith(ZIP + b"\x03\x04"):
        raise SourceError(
            f"{name} begins as a zip archive and does not end as one: it is cut short or damaged", hint="fetch it again"
        )
    raw.seek(0)
    return raw


def _one_member(name: str, archive: zipfile.ZipFile) -> Any:
    members = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        names = ", ".join(info.filename for info in members) or "nothing"
        raise SourceError(f"{name} holds {names}; a zipped source holds exactly one CSV file")
    return archive.open(members[0])


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say which file it was; Arrow's errors are OSError and ValueError."""
    try:
        yield
    except EOFError as error:
        raise SourceError(f"{name} cannot be read, it ends too early: {error}", hint="fetch it again") from error
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, ValueError) as error:
        raise SourceError(f"{name} cannot be read: {error}") from error
