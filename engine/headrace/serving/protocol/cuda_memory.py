"""Regions of CUDA shared memory: device memory of another process, opened by its handle through the driver.

The driver's own library is enough, so nothing has to be installed beside it: Reference: CUDA Driver API, "Memory
Management", cuIpcOpenMemHandle. Tensors are copied to host memory and back, since graphs are fed from there.
"""

from __future__ import annotations

import contextlib
import ctypes
import weakref
from typing import Any

from headrace.core.errors import HeadraceError, InvalidInputError, UnimplementedError
from headrace.wire import inference_pb2 as pb

LIBRARY = "libcuda.so.1"
HANDLE_BYTES = 64
_LAZY_ENABLE_PEER_ACCESS = 1


class _Handle(ctypes.Structure):
    """CUipcMemHandle, which the driver takes by value."""

    _fields_ = (("reserved", ctypes.c_char * HANDLE_BYTES),)


class CudaDriver:
    """The few functions of the CUDA driver that regions need; safe from any thread.

    Args:
        library: the driver's library.

    Raises:
        UnimplementedError: there is no driver, or no device, on this host.
    """

    def __init__(self, library: str = LIBRARY) -> None:
        try:
            self._cuda = ctypes.CDLL(library)
        except OSError as error:
            raise UnimplementedError(
                f"CUDA shared memory needs a CUDA driver, and {library} is not found on this host",
                hint="use system shared memory",
            ) from error
        code = self._cuda.cuInit(ctypes.c_uint(0))
        if code:
            raise UnimplementedError(f"CUDA shared memory needs a device, and the driver has none: {self._name(code)}")

    def retain(self, device: int) -> ctypes.c_void_p:
        """The primary context of a device, which is what the CUDA runtime uses; `release` it once."""
        context = ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device(device))
        return context

    def release(self, device: int) -> None:
        """Let go of a device's primary context."""
        self._call("cuDevicePrimaryCtxRelease_v2", self._device(device))

    def open(self, context: ctypes.c_void_p, handle: bytes) -> tuple[int, int]:
        """Open another process's memory; its address here and the bytes from there to its end."""
        pointer, base, size = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_size_t()
        self._call("cuCtxSetCurrent", context)
        given = _Handle.from_buffer_copy(handle)
        self._call("cuIpcOpenMemHandle_v2", ctypes.byref(pointer), given, ctypes.c_uint(_LAZY_ENABLE_PEER_ACCESS))
        self._call("cuMemGetAddressRange_v2", ctypes.byref(base), ctypes.byref(size), pointer)
        return pointer.value, base.value + size.value - pointer.value

    def close(self, context: ctypes.c_void_p, pointer: int) -> None:
        """Close what `open` opened."""
        self._call("cuCtxSetCurrent", context)
        self._call("cuIpcCloseMemHandle", ctypes.c_uint64(pointer))

    def read(self, context: ctypes.c_void_p, pointer: int, byte_size: int) -> bytes:
        """Copy device memory."""
        content = ctypes.create_string_buffer(byte_size)
        self._call("cuCtxSetCurrent", context)
        self._call("cuMemcpyDtoH_v2", content, ctypes.c_uint64(pointer), ctypes.c_size_t(byte_size))
        return content.raw

    def write(self, context: ctypes.c_void_p, pointer: int, content: bytes) -> None:
        """Write device memory."""
        self._call("cuCtxSetCurrent", context)
        self._call("cuMemcpyHtoD_v2", ctypes.c_uint64(pointer), content, ctypes.c_size_t(len(content)))

    def _device(self, number: int) -> ctypes.c_int:
        device = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(number))
        return device

    def _call(self, function: str, *arguments: Any) -> None:
        code = getattr(self._cuda, function)(*arguments)
        if code:
            raise InvalidInputError(f"the CUDA driver refused {function}: {self._name(code)}")

    def _name(self, code: int) -> str:
        name = ctypes.c_char_p()
        self._cuda.cuGetErrorName(ctypes.c_int(code), ctypes.byref(name))
        return name.value.decode() if name.value else f"error {code}"


class CudaRegion:
    """Device memory of another process; it is closed when nobody refers to it any more.

    Args:
        request: name, handle, device and size, as they were asked for.
        driver: opens and copies.

    Raises:
        InvalidInputError: no handle of the driver, no such device, or less memory than `byte_size`.
    """

    def __init__(self, request: pb.CudaSharedMemoryRegisterRequest, driver: CudaDriver) -> None:
        self.name = request.name
        self.device_id = request.device_id
        self.byte_size = request.byte_size
        self._driver = driver
        if len(request.raw_handle) != HANDLE_BYTES:
            raise InvalidInputError(
                f"CUDA shared memory region '{self.name}': a handle of {len(request.raw_handle)} bytes came, "
                f"expected {HANDLE_BYTES}"
            )
        if not 0 <= self.device_id < 1 << 16:
            raise InvalidInputError(f"CUDA shared memory region '{self.name}': device_id is {self.device_id}")
        # The younger of two finalizers is called first: memory is closed before its context goes.
        self._context = driver.retain(self.device_id)
        weakref.finalize(self, _quietly, driver.release, self.device_id)
        self._pointer, size = driver.open(self._context, request.raw_handle)
        weakref.finalize(self, _quietly, driver.close, self._context, self._pointer)
        if not 1 <= self.byte_size <= size:
            raise InvalidInputError(
                f"CUDA shared memory region '{self.name}': byte_size is {self.byte_size}, the memory has {size} bytes"
            )

    def read(self, offset: int, byte_size: int) -> bytes:
        """Copy bytes of the region."""
        return self._driver.read(self._context, self._pointer + offset, byte_size)

    def write(self, offset: int, content: bytes) -> None:
        """Write bytes into the region."""
        self._driver.write(self._context, self._pointer + offset, content)


def _quietly(close: Any, *arguments: Any) -> None:
    with contextlib.suppress(HeadraceError):  # the process that owns the memory, or the driver, went first
        close(*arguments)
