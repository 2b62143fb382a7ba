"""The structures of Arrow's C data and C device data interfaces, for ctypes.

Reference: https://arrow.apache.org/docs/format/CDeviceDataInterface.html
"""

from __future__ import annotations

import ctypes

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
"""Where an array's buffers are: `ARROW_DEVICE_CPU` and so on."""


class Array(ctypes.Structure):
    """ArrowArray."""


Release = ctypes.CFUNCTYPE(None, ctypes.POINTER(Array))
Array._fields_ = [
    ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))), ("dictionary", ctypes.POINTER(Array)), ("release", Release),
    ("private_data", ctypes.c_void_p),
]  # fmt: skip


class DeviceArray(ctypes.Structure):
    """ArrowDeviceArray."""

    _fields_ = (
        ("array", Array), ("device_id", ctypes.c_int64), ("device_type", ctypes.c_int32),
        ("sync_event", ctypes.c_void_p), ("reserved", ctypes.c_int64 * 3),
    )  # fmt: skip


CAPSULE = b"arrow_device_array"
"""The name of capsules that hold a `DeviceArray`."""
