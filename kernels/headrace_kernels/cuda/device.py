"""The device that kernels run on: its memory, its launches, and whether there is one.

Modules of this package see a device through `Device` alone. `CupyDevice` is the real one; the tests bring another,
which runs the same sources on the CPU, so that kernels are tested where there is no GPU.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace_kernels.cuda.source import Source

DeviceArray: TypeAlias = Any
"""An array in a device's memory: C-contiguous, with dtype, shape, len, slices of leading positions, `view` and
`reshape`."""


class DeviceError(RuntimeError):
    """The device failed: it is not there, has no memory left, or was lost."""


class OutOfMemoryError(DeviceError):
    """The device's memory does not hold an array."""


class Device(Protocol):
    """One device.

    Attributes:
        name: as its maker calls it.
        number: which of the machine's devices.
    """

    name: str
    number: int

    @property
    def free_bytes(self) -> int:
        """Bytes that can still be taken."""
        ...

    def empty(self, shape: int | Sequence[int], dtype: npt.DTypeLike) -> DeviceArray:
        """An array with anything in it.

        Raises:
            OutOfMemoryError: it does not fit.
        """
        ...

    def zeros(self, shape: int | Sequence[int], dtype: npt.DTypeLike) -> DeviceArray:
        """An array of zeros.

        Raises:
            OutOfMemoryError: it does not fit.
        """
        ...

    def put(self, array: npt.NDArray[Any]) -> DeviceArray:
        """A copy of a host array.

        Raises:
            OutOfMemoryError: it does not fit.
        """
        ...

    @property
    def link_bytes_per_second(self) -> float:
        """How fast copies to and from the host are, measured when first asked for."""
        ...

    def get(self, array: DeviceArray, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """A copy on the host, when everything asked for so far is done.

        Args:
            array: what to copy.
            out: C-contiguous, of its shape and dtype, to copy into; None for a new array.

        Raises:
            DeviceError: something asked for so far has failed.
        """
        ...

    def read(self, address: int, out: npt.NDArray[np.uint8]) -> None:
        """Copy bytes of somebody else's array in this device's memory.

        Args:
            address: where they begin.
            out: uint8[n_bytes], C-contiguous, to copy into.

        Raises:
            DeviceError: they cannot be read.
        """
        ...

    def wait_for(self, event: int) -> None:
        """Wait until a CUDA event of somebody else, a `cudaEvent_t`, has happened.

        Raises:
            DeviceError: what was to be waited for has failed.
        """
        ...

    def launch(self, source: Source, kernel: str, blocks: int, threads: int, arguments: Sequence[Any]) -> None:
        """Run a kernel of a source; `Source.launch` checks and converts the arguments.

        Raises:
            DeviceError: it cannot be launched.
        """
        ...

    def lane(self) -> contextlib.AbstractContextManager[None]:
        """A queue of its own for what this thread asks for inside: copies of one overlap kernels of another."""
        ...

    def synchronize(self) -> None:
        """Wait until everything asked for so far in this lane is done.

        Raises:
            DeviceError: something has failed.
        """
        ...


_CURRENT: ContextVar[Device | None] = ContextVar("headrace_device", default=None)


def current() -> Device:
    """The device in use, by default the first CUDA device.

    Raises:
        DeviceError: there is none; the message says why.
    """
    device = _CURRENT.get()
    if device is None:
        from headrace_kernels.cuda.cupy_device import CupyDevice

        device = CupyDevice(0)
        _CURRENT.set(device)
    return device


@contextlib.contextmanager
def use(device: Device) -> Iterator[Device]:
    """Make a device the current one, for this thread or task, in a lane of its own."""
    token = _CURRENT.set(device)
    try:
        with device.lane():
            yield device
    finally:
        _CURRENT.reset(token)


def all_devices() -> list[Device]:
    """Every CUDA device of this machine.

    Raises:
        DeviceError: there is none; the message says why.
    """
    reason = why_unavailable()
    if reason:
        raise DeviceError(reason)
    from headrace_kernels.cuda.cupy_device import CupyDevice, count_devices

    return [CupyDevice(number) for number in range(count_devices())]


def why_unavailable() -> str:
    """Why there is no CUDA device here, in words; empty where there is one. CuPy is loaded only beside a driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no CUDA driver: libcuda.so.1 not found"
    try:
        from headrace_kernels.cuda.cupy_device import count_devices
    except ImportError:
        return "CuPy is not installed: pip install 'headrace[gpu]'"
    try:
        return "" if count_devices() else "the CUDA driver finds no device"
    except DeviceError as error:
        return str(error)


def empty(shape: int | Sequence[int], dtype: npt.DTypeLike) -> DeviceArray:
    """An array of the current device with anything in it."""
    return current().empty(shape, dtype)


def zeros(shape: int | Sequence[int], dtype: npt.DTypeLike) -> DeviceArray:
    """An array of the current device full of zeros."""
    return current().zeros(shape, dtype)


def put(array: npt.NDArray[Any]) -> DeviceArray:
    """Copy a host array to the current device."""
    return current().put(np.ascontiguousarray(array))


def get(array: DeviceArray, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
    """Copy an array of the current device to the host, to memory that is there where `out` is given."""
    return current().get(array, out)
