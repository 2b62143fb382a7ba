"""The CUDA device of this process: looked for without loading anything where there is no driver."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from headrace.core.errors import UnavailableError
from headrace.serving.runtime.placement import driver_problem

if TYPE_CHECKING:
    from headrace_kernels.cuda.device import Device as CudaDevice

OUT_OF_MEMORY = "out of memory"
LOST = "the device failed"
_MEMORY_WORDS = ("out of memory", "outofmemory", "failed to allocate", "cudaerrormemoryallocation", "bad_alloc")


def find_device() -> CudaDevice:
    """The first CUDA device, for kernels of our own; one object a process, which keeps what it compiled.

    Raises:
        UnavailableError: there is none, or CuPy is not installed.
    """
    problem = driver_problem()
    if problem:
        raise UnavailableError(problem)
    from headrace_kernels.cuda import device

    problem = device.why_unavailable()
    if problem:
        raise UnavailableError(problem)
    return _first_device()


def reason_of(error: Exception) -> str:
    """What a device's error comes to: `OUT_OF_MEMORY`, which may pass, or `LOST`."""
    from headrace_kernels.cuda.device import OutOfMemoryError

    text = str(error).lower()
    short = isinstance(error, OutOfMemoryError | MemoryError) or any(word in text for word in _MEMORY_WORDS)
    return OUT_OF_MEMORY if short else LOST


@cache
def _first_device() -> CudaDevice:
    from headrace_kernels.cuda import device

    return device.current()
