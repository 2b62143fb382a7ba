"""System shared memory: POSIX objects that clients on this host registered, read and written in place of messages.

A region is read and written through its file descriptor, not mapped: a client may shrink its object at any time, and a
mapping would then end the process with SIGBUS where a read comes back short. docs/decisions/0505 has the figures.
"""

from __future__ import annotations

import os
import stat
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import (
    AlreadyExistsError,
    ExhaustedError,
    HeadraceError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    UnimplementedError,
)
from headrace.wire.parameters import read_count, read_text

REGION = "shared_memory_region"
BYTE_SIZE = "shared_memory_byte_size"
OFFSET = "shared_memory_offset"

FOLDER = Path("/dev/shm")  # noqa: S108  where Linux has its POSIX shared memory objects
MAX_REGIONS = 1024
MAX_TENSOR_BYTES = 1 << 30
"""One tensor in shared memory is copied whole; a message of the protocol could not hold more than twice that."""

_MAX_KEY_BYTES = 255


class Region:
    """One registered part of a shared memory object; its descriptor is closed when nobody refers to it any more.

    Args:
        name: what requests call it.
        key: name of the object.
        offset: first byte of the region in the object.
        byte_size: its length.
        descriptor: the open object, owned by the region from now on.
    """

    def __init__(self, name: str, key: str, offset: int, byte_size: int, descriptor: int) -> None:
        self.name = name
        self.key = key
        self.offset = offset
        self.byte_size = byte_size
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)


@dataclass(frozen=True)
class Place:
    """The bytes of one tensor in a region; inside of the region by construction."""

    region: Region
    offset: int
    byte_size: int

    def read(self) -> bytes:
        """Copy the bytes.

        Raises:
            InvalidInputError: the object has become shorter than its region.
        """
        content = os.pread(self.region.descriptor, self.byte_size, self.region.offset + self.offset)
        if len(content) != self.byte_size:
            raise self._shrunk(len(content))
        return content

    def write(self, content: bytes, output: str) -> None:
        """Write an output's bytes.

        Raises:
            InvalidInputError: they do not fit, or the object has become shorter than its region.
        """
        if len(content) > self.byte_size:
            raise InvalidInputError(
                f"output '{output}' has {len(content)} bytes, {self.byte_size} of shared memory region "
                f"'{self.region.name}' are given for it"
            )
        start = self.region.offset + self.offset
        if os.fstat(self.region.descriptor).st_size < start + len(content):  # else the write would make it longer
            raise self._shrunk(0)
        if os.pwrite(self.region.descriptor, content, start) != len(content):
            raise HeadraceError(f"output '{output}' could not be written to shared memory region '{self.region.name}'")

    def describe(self, parameters: Any, byte_size: int) -> None:
        """Say in an output's parameters where its bytes are."""
        parameters[REGION].string_param = self.region.name
        parameters[BYTE_SIZE].int64_param = byte_size
        parameters[OFFSET].int64_param = self.offset

    def _shrunk(self, came: int) -> InvalidInputError:
        return InvalidInputError(
            f"shared memory region '{self.region.name}': its object '{self.region.key}' has become shorter; "
            f"{came} of {self.byte_size} bytes are there"
        )


class SystemRegions:
    """The registered regions by name; every method is safe from any thread.

    A region that is unregistered while requests use it stays readable for them.

    Args:
        folder: where shared memory objects are.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._regions: dict[str, Region] = {}

    def register(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Open an object and remember a part of it.

        Raises:
            InvalidInputError: an empty name, a key that is no object's name, a part that is not inside of the object.
            NotFoundError: no such object.
            PermissionDeniedError: the server may not read and write it.
            AlreadyExistsError: the name is taken.
            ExhaustedError: too many regions, or files, are open.
            UnimplementedError: this system has no such folder.
        """
        if not name:
            raise InvalidInputError("a shared memory region needs a name; none came")
        if byte_size < 1:
            raise InvalidInputError(f"shared memory region '{name}': byte_size is {byte_size}; it must be at least 1")
        region = Region(name, key, offset, byte_size, self._open(name, key))
        size = os.fstat(region.descriptor).st_size
        if offset + byte_size > size:
            raise InvalidInputError(
                f"shared memory region '{name}': bytes {offset} to {offset + byte_size} came, "
                f"object '{key}' has {size} bytes"
            )
        with self._lock:
            if name in self._regions:
                raise AlreadyExistsError(f"shared memory region '{name}' is registered", hint="unregister it first")
            if len(self._regions) >= MAX_REGIONS:
                raise ExhaustedError(f"{MAX_REGIONS} shared memory regions are registered, and no more may be")
            self._regions[name] = region

    def unregister(self, name: str) -> None:
        """Forget a region, or all of them for an empty name; one that is not there is no error."""
        with self._lock:
            if name:
                self._regions.pop(name, None)
            else:
                self._regions.clear()

    def listed(self, name: str) -> list[Region]:
        """The region of a name, or all of them for an empty name.

        Raises:
            NotFoundError: no such region.
        """
        with self._lock:
            regions = list(self._regions.values())
        return [self.find(name)] if name else regions

    def find(self, name: str) -> Region:
        """The region of a name.

        Raises:
            NotFoundError: no such region.
        """
        region = self._regions.get(name)
        if region is None:
            raise NotFoundError(f"shared memory region '{name}' is not registered")
        return region

    def _open(self, name: str, key: str) -> int:
        plain = key.removeprefix("/")
        if not plain or plain in {".", ".."} or "/" in plain or "\0" in plain or len(plain.encode()) > _MAX_KEY_BYTES:
            raise InvalidInputError(
                f"shared memory region '{name}': key '{key}' is no name of a shared memory object; "
                "allowed: one name, with or without a '/' before it"
            )
        if not self._folder.is_dir():
            raise UnimplementedError(f"this system has no {self._folder}, so no system shared memory")
        try:
            descriptor = os.open(self._folder / plain, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
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


def find_place(regions: SystemRegions, parameters: Any, tensor: str) -> Place | None:
    """Read where a tensor's parameters say its bytes are; None where they do not name shared memory.

    Args:
        regions: the registered regions.
        parameters: map<string, InferParameter> of the tensor.
        tensor: `input 'x'` or `output 'y'`, for messages.

    Raises:
        InvalidInputError: a size without a region, or bytes that are not inside of the region.
        NotFoundError: the region is not registered.
    """
    name = read_text(parameters, REGION)
    size, offset = read_count(parameters, BYTE_SIZE), read_count(parameters, OFFSET) or 0
    if name is None:
        if size is not None:
            raise InvalidInputError(f"{tensor}: parameter '{BYTE_SIZE}' came without '{REGION}'")
        return None
    region = regions.find(name)
    if size is None or not 0 <= size <= MAX_TENSOR_BYTES:
        raise InvalidInputError(f"{tensor}: parameter '{BYTE_SIZE}' is {size}; allowed: 0 to {MAX_TENSOR_BYTES}")
    if offset + size > region.byte_size:
        raise InvalidInputError(
            f"{tensor}: bytes {offset} to {offset + size} came, shared memory region '{name}' has {region.byte_size}"
        )
    return Place(region, offset, size)


def _cannot_open(name: str, key: str, error: OSError) -> HeadraceError:
    full = error.errno in {24, 23}
    kind = ExhaustedError if full else InvalidInputError
    return kind(f"shared memory region '{name}': object '{key}' cannot be opened: {error.strerror}")
