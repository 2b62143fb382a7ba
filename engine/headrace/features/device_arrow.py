"""A device's matrix as an Arrow array in the device's memory, without a copy: the Arrow C device data interface.

Reference: https://arrow.apache.org/docs/format/CDeviceDataInterface.html
"""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import pyarrow as pa

from headrace.features.arrow_structures import CAPSULE, CPU, CUDA, Array, DeviceArray, Release

_NUMBERS = itertools.count(1)
_HELD: dict[int, Any] = {}
"""What consumers still read, by the number in `private_data`."""


class ArrowDeviceMatrix:
    """A matrix on a device for consumers of Arrow device data (cuDF, nanoarrow, pyarrow where it has CUDA).

    The array is a fixed-size list of float32 a row: rows lie one after the other, as a model reads them. Everything
    asked of the device before is done when it is handed out.

    Args:
        values: float32[n_rows, n_features] in the device's memory, C-contiguous; kept until the consumer releases it.
    """

    def __init__(self, values: Any) -> None:
        self._values = values
        self.type = pa.list_(pa.float32(), values.shape[1])

    def __arrow_c_schema__(self) -> object:
        """The type, as a capsule."""
        return self.type.__arrow_c_schema__()

    def __arrow_c_device_array__(self, requested_schema: object = None, **_options: object) -> tuple[object, object]:
        """The type and the array, as capsules; the requested type is not looked at, which the interface allows."""
        return self.__arrow_c_schema__(), _capsule(_exported(self._values))


def _exported(values: Any) -> DeviceArray:
    """The structure of an array of rows over an array of numbers, held until its release is called."""
    interface = getattr(values, "__cuda_array_interface__", None)
    place = interface if interface is not None else values.__array_interface__
    n_rows, n_features = values.shape
    numbers, rows = Array(), DeviceArray()
    no_buffer, number_buffers = (ctypes.c_void_p * 1)(None), (ctypes.c_void_p * 2)(None, place["data"][0])
    children = (ctypes.POINTER(Array) * 1)(ctypes.pointer(numbers))
    _fill(numbers, n_rows * n_features, number_buffers)
    _fill(rows.array, n_rows, no_buffer)
    rows.array.n_children = 1
    rows.array.children = children
    rows.device_id = values.device.id if interface is not None else -1
    rows.device_type = CUDA if interface is not None else CPU
    number = next(_NUMBERS)
    rows.array.private_data = number
    _HELD[number] = values, numbers, children, no_buffer, number_buffers
    return rows


def _fill(array: Array, length: int, buffers: Any) -> None:
    array.length, array.n_buffers, array.buffers = length, len(buffers), buffers
    array.release = _RELEASE


def _release(array: Any) -> None:
    """Let go of what an array holds; a child holds nothing of its own."""
    here = array.contents
    held = _HELD.pop(here.private_data or 0, None)  # until the last line: the children's structures are in it
    for child in range(here.n_children):
        if here.children[child].contents.release:
            here.children[child].contents.release(here.children[child])
    ctypes.memset(ctypes.addressof(here) + Array.release.offset, 0, Array.release.size)
    del held


_RELEASE = Release(_release)
_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_CAPSULES: dict[int, DeviceArray] = {}


def _destroy(capsule: int) -> None:
    """Release what no consumer has taken."""
    address = _API.PyCapsule_GetPointer(capsule, CAPSULE)
    held = _CAPSULES.pop(address, None)
    if held is not None and held.array.release:
        held.array.release(ctypes.pointer(held.array))


_DESTRUCTOR = _Destructor(_destroy)
_API = ctypes.PyDLL(None)  # of our own: argument types of `ctypes.pythonapi` are everybody's
_API.PyCapsule_GetPointer.restype = ctypes.c_void_p
_API.PyCapsule_GetPointer.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
_API.PyCapsule_New.restype = ctypes.py_object
_API.PyCapsule_New.argtypes = (ctypes.c_void_p, ctypes.c_char_p, _Destructor)


def _capsule(array: DeviceArray) -> object:
    _CAPSULES[ctypes.addressof(array)] = array
    capsule: object = _API.PyCapsule_New(ctypes.addressof(array), CAPSULE, _DESTRUCTOR)
    return capsule
