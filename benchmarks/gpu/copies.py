"""Copies between pinned memory and the device that other work may overlap, each thread on a stream of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from headrace_kernels.cuda import device


def is_real() -> bool:
    """Whether the current device is a GPU."""
    return device.current().name != "emulated"


def pinned(shape: Any, dtype: Any) -> Any:
    """A host array that the device copies from and to by itself; an ordinary one where there is no GPU."""
    if not is_real():
        return np.empty(shape, dtype)
    import cupyx

    return cupyx.empty_pinned(shape, dtype)


@contextlib.contextmanager
def own_stream(here: device.Device) -> Iterator[None]:
    """Work of this thread goes to a device and a stream of its own, and is done when this ends."""
    with device.use(here):
        if not is_real():
            yield
            return
        import cupy

        with cupy.cuda.Stream(non_blocking=True) as stream:
            yield
            stream.synchronize()


def upload(array: Any) -> Any:
    """A device copy of a pinned array, asked for and not waited for."""
    if not is_real():
        return device.put(array)
    import cupy

    target = device.empty(array.shape, array.dtype)
    target.set(array, stream=cupy.cuda.get_current_stream())
    return target


def download(array: Any, target: Any) -> None:
    """Copy a device array into a pinned one; asked for and not waited for."""
    if not is_real():
        target[...] = device.get(array)
        return
    import cupy

    array.get(stream=cupy.cuda.get_current_stream(), out=target, blocking=False)


def ascending(count: int) -> Any:
    """int32[count] on the device: 0, 1, 2, ..."""
    if not is_real():
        return device.put(np.arange(count, dtype=np.int32))
    import cupy

    return cupy.arange(count, dtype=cupy.int32)


def free_all() -> None:
    """Give back what the pool holds unused."""
    if is_real():
        import cupy

        cupy.get_default_memory_pool().free_all_blocks()
