"""Memory that clients registered, named by requests in place of bytes: regions by name, and places in them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from headrace.core.errors import (
    AlreadyExistsError,
    ExhaustedError,
    InvalidInputError,
    NotFoundError,
    UnimplementedError,
)
from headrace.serving.protocol.cuda_memory import CudaDriver, CudaRegion
from headrace.serving.protocol.system_memory import FOLDER, open_system_region
from headrace.wire import inference_pb2 as pb
from headrace.wire.parameters import read_count, read_text

REGION = "shared_memory_region"
BYTE_SIZE = "shared_memory_byte_size"
OFFSET = "shared_memory_offset"

MAX_REGIONS = 1024
MAX_TENSOR_BYTES = 1 << 30
"""One tensor in shared memory is copied whole; a message of the protocol could not hold more than twice that."""


class Region(Protocol):
    """Registered memory, whatever its kind."""

    name: str
    byte_size: int

    def read(self, offset: int, byte_size: int) -> bytes:
        """Copy bytes of the region; the caller stays inside of it."""
        ...

    def write(self, offset: int, content: bytes) -> None:
        """Write bytes into the region; the caller stays inside of it."""
        ...


AnyRegion = TypeVar("AnyRegion", bound=Region)


@dataclass(frozen=True)
class Place:
    """The bytes of one tensor in a region; inside of the region by construction."""

    region: Region
    offset: int
    byte_size: int

    def read(self) -> bytes:
        """Copy the bytes."""
        return self.region.read(self.offset, self.byte_size)

    def write(self, content: bytes, output: str) -> None:
        """Write an output's bytes.

        Raises:
            InvalidInputError: they do not fit.
        """
        if len(content) > self.byte_size:
            raise InvalidInputError(
                f"output '{output}' has {len(content)} bytes, {self.byte_size} of shared memory region "
                f"'{self.region.name}' are given for it"
            )
        self.region.write(self.offset, content)

    def describe(self, parameters: Any, byte_size: int) -> None:
        """Say in an output's parameters where its bytes are."""
        parameters[REGION].string_param = self.region.name
        parameters[BYTE_SIZE].int64_param = byte_size
        parameters[OFFSET].int64_param = self.offset


class SharedMemory:
    """The registered regions; every method is safe from any thread.

    A region that is unregistered while requests use it stays as it is for them.

    Args:
        folder: where system shared memory objects are.
        open_driver: opens the CUDA driver, when it is first needed.
    """

    def __init__(self, folder: Path = FOLDER, open_driver: Callable[[], CudaDriver] = CudaDriver) -> None:
        self._folder = folder
        self._open_driver = open_driver
        self._driver: CudaDriver | None = None
        self._lock = threading.Lock()
        self._regions: dict[str, Region] = {}

    def register_system(self, request: pb.SystemSharedMemoryRegisterRequest) -> None:
        """Register a part of a POSIX object; errors as `open_system_region` and `_add`."""
        self._add(request.name, lambda: open_system_region(request, self._folder))

    def register_cuda(self, request: pb.CudaSharedMemoryRegisterRequest) -> None:
        """Register another process's device memory; errors as `CudaDriver`, `CudaRegion` and `_add`."""
        if self._driver is None:
            self._driver = self._open_driver()
        driver = self._driver
        self._add(request.name, lambda: CudaRegion(request, driver))

    def has_cuda(self) -> bool:
        """Whether device memory can be registered here."""
        try:
            self._driver = self._driver or self._open_driver()
        except UnimplementedError:
            return False
        return True

    def unregister(self, kind: type[Region], name: str) -> None:
        """Forget a region of a kind, or all of them for an empty name; one that is not there is no error."""
        with self._lock:
            for region in list(self._regions.values()):
                if isinstance(region, kind) and name in {"", region.name}:
                    del self._regions[region.name]

    def listed(self, kind: type[AnyRegion], name: str) -> list[AnyRegion]:
        """The region of a kind and a name, or all of the kind for an empty name.

        Raises:
            NotFoundError: no such region.
        """
        with self._lock:
            found = [region for region in self._regions.values() if isinstance(region, kind)]
        if name:
            found = [region for region in found if region.name == name]
            if not found:
                raise _unknown(name)
        return found

    def find(self, name: str) -> Region:
        """The region of a name.

        Raises:
            NotFoundError: no such region.
        """
        region = self._regions.get(name)
        if region is None:
            raise _unknown(name)
        return region

    def _add(self, name: str, make: Callable[[], Region]) -> None:
        """Make a region and remember it.

        Raises:
            InvalidInputError: it has no name.
            AlreadyExistsError: the name is taken.
            ExhaustedError: as many as may be are registered.
        """
        if not name:
            raise InvalidInputError("a shared memory region needs a name; none came")
        with self._lock:
            if name in self._regions:
                raise AlreadyExistsError(f"shared memory region '{name}' is registered", hint="unregister it first")
            if len(self._regions) >= MAX_REGIONS:
                raise ExhaustedError(f"{MAX_REGIONS} shared memory regions are registered, and no more may be")
            self._regions[name] = make()


def find_place(memory: SharedMemory, parameters: Any, tensor: str) -> Place | None:
    """Read where a tensor's parameters say its bytes are; None where they do not name shared memory.

    Args:
        memory: the registered regions.
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
    region = memory.find(name)
    if size is None or not 0 <= size <= MAX_TENSOR_BYTES:
        raise InvalidInputError(f"{tensor}: parameter '{BYTE_SIZE}' is {size}; allowed: 0 to {MAX_TENSOR_BYTES}")
    if offset + size > region.byte_size:
        raise InvalidInputError(
            f"{tensor}: bytes {offset} to {offset + size} came, shared memory region '{name}' has {region.byte_size}"
        )
    return Place(region, offset, size)


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"shared memory region '{name}' is not registered")
