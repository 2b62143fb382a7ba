"""Regions of system shared memory: parts of POSIX objects that clients on this host made.

A region is read and written through its file descriptor, not mapped: a client may shrink its object at any time, and a
mapping would then end the process with SIGBUS where a read comes back short. docs/decisions/0505 has the figures.
"""

from __future__ import annotations

import errno
import os
import stat
import weakref
from pathlib import Path

from headrace.core.errors import (
    ExhaustedError,
    HeadraceError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    UnimplementedError,
)
from headrace.wire import inference_pb2 as pb

FOLDER = Path("/dev/shm")  # noqa: S108  where Linux has its POSIX shared memory objects

_MAX_KEY_BYTES = 255
_TOO_MANY_FILES = {errno.EMFILE, errno.ENFILE}


class SystemRegion:
    """One part of a shared memory object; its descriptor is closed when nobody refers to it any more.

    Args:
        request: name, key, offset and size, as they were asked for.
        descriptor: the open object, owned by the region from now on.
    """

    def __init__(self, request: pb.SystemSharedMemoryRegisterRequest, descriptor: int) -> None:
        self.name = request.name
        self.key = request.key
        self.offset = request.offset
        self.byte_size = request.byte_size
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    @property
    def object_bytes(self) -> int:
        """Size of the object now."""
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, byte_size: int) -> bytes:
        """Copy bytes of the region.

        Raises:
            InvalidInputError: the object has become shorter than its region.
        """
        content = os.pread(self._descriptor, byte_size, self.offset + offset)
        if len(content) != byte_size:
            raise self._shrunk(len(content), byte_size)
        return content

    def write(self, offset: int, content: bytes) -> None:
        """Write bytes into the region.

        Raises:
            InvalidInputError: the object has become shorter than its region.
        """
        start = self.offset + offset
        if self.object_bytes < start + len(content):  # else the write would make it longer
            raise self._shrunk(0, len(content))
        written = os.pwrite(self._descriptor, content, start)
        if written != len(content):
            raise self._shrunk(written, len(content))

    def _shrunk(self, came: int, wanted: int) -> InvalidInputError:
        return InvalidInputError(
            f"shared memory region '{self.name}': its object '{self.key}' has become shorter; "
            f"{came} of {wanted} bytes are there"
        )


def open_system_region(request: pb.SystemSharedMemoryRegisterRequest, folder: Path) -> SystemRegion:
    """Open an object, and check that the region is a part of it.

    Raises:
        InvalidInputError: a key that is no object's name, or a part that is not inside of the object.
        NotFoundError: no such object.
        PermissionDeniedError: the server may not read and write it.
        ExhaustedError: too many files are open.
        UnimplementedError: this system has no such folder.
    """
    region = SystemRegion(request, _open(request.name, request.key, folder))
    stop, size = region.offset + region.byte_size, region.object_bytes
    if not region.offset < stop <= size:
        raise InvalidInputError(
            f"shared memory region '{region.name}': bytes {region.offset} to {stop} came, "
            f"object '{region.key}' has {size} bytes; at least one of them must be named"
        )
    return region


def _open(name: str, key: str, folder: Path) -> int:
    plain = key.removeprefix("/")
    if not plain or plain in {".", ".."} or "/" in plain or "\0" in plain or len(plain.encode()) > _MAX_KEY_BYTES:
        raise InvalidInputError(
            f"shared memory region '{name}': key '{key}' is no name of a shared memory object; "
            "allowed: one name, with or without a '/' before it"
        )
    if not folder.is_dir():
        raise UnimplementedError(f"this system has no {folder}, so no system shared memory")
    try:
        descriptor = os.open(folder / plain, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFoundError(f"shared memory region '{name}': there is no object '{key}' on this host") from error
    except PermissionError as error:
        raise PermissionDeniedError(f"shared memory region '{name}': object '{key}' may not be opened") from error
    except OSError as error:
        raise _cannot_open(name, key, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInputError(f"shared memory region '{name}': '{key}' is no shared memory object")
    return descriptor


def _cannot_open(name: str, key: str, error: OSError) -> HeadraceError:
    kind = ExhaustedError if error.errno in _TOO_MANY_FILES else InvalidInputError
    return kind(f"shared memory region '{name}': object '{key}' cannot be opened: {error.strerror}")
