"""What the device is, and how fast it copies: the figures that others are held against."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Iterator

import numpy as np
from findings import Finding, Setting, measured, missing
from timing import seconds_each

from headrace_kernels.cuda import device

LIBRARIES = ("cupy-cuda13x", "numba", "numpy", "onnxruntime", "onnxruntime-gpu", "pyarrow")
GB = 1e9


def run(setting: Setting) -> Iterator[Finding]:
    """Name, driver, versions, memory, bandwidth."""
    here = device.current()
    versions = [f"Python {platform.python_version()}", *(_version(name) for name in LIBRARIES)]
    yield measured("device", here.free_bytes / GB, "GB free", here.name)
    yield measured("versions", len(LIBRARIES), "libraries", ", ".join(versions))
    if setting.emulated:
        yield missing("copy bandwidth", "the emulated device has none")
        return
    yield from _driver_facts()
    yield from copy_bandwidth(setting)


def copy_bandwidth(setting: Setting) -> Iterator[Finding]:
    """Bytes a second of a copy within the device, and of copies from and to pinned memory."""
    import cupy
    import cupyx

    size = setting.size(4_000_000_000, 200_000_000, 0)
    source, target = cupy.zeros(size, cupy.uint8), cupy.empty(size, cupy.uint8)
    seconds = seconds_each(lambda: cupy.copyto(target, source), rounds=10)
    detail = f"{size / GB:.1f} GB copied: read and written bytes both counted"
    yield measured("copy within the device", 2 * size / seconds / GB, "GB/s", detail)
    part = size // 4
    pinned = cupyx.empty_pinned(part, np.uint8)
    pinned[:] = 1
    stream = cupy.cuda.get_current_stream()
    up = seconds_each(lambda: target[:part].set(pinned, stream=stream), rounds=5)
    down = seconds_each(lambda: target[:part].get(stream=stream, out=pinned, blocking=False), rounds=5)
    yield measured("copy to the device", part / up / GB, "GB/s", f"{part / GB:.2f} GB from pinned memory")
    yield measured("copy from the device", part / down / GB, "GB/s", f"{part / GB:.2f} GB to pinned memory")


def copy_bytes_a_second() -> float:
    """Bytes read and written a second by a copy within the device, measured now."""
    import cupy

    size = min(4_000_000_000, device.current().free_bytes // 4)
    source, target = cupy.zeros(size, cupy.uint8), cupy.empty(size, cupy.uint8)
    return 2 * size / seconds_each(lambda: cupy.copyto(target, source), rounds=10)


def _driver_facts() -> Iterator[Finding]:
    import cupy

    runtime, driver = cupy.cuda.runtime.runtimeGetVersion(), cupy.cuda.runtime.driverGetVersion()
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    detail = f"CUDA {_cuda_version(runtime)}, the driver's {_cuda_version(driver)}; {_driver()}"
    yield measured("compute capability", float(f"{properties['major']}.{properties['minor']}"), "", detail)
    memory = f"{properties['multiProcessorCount']} multiprocessors, {properties['l2CacheSize'] / 1e6:.0f} MB of L2"
    yield measured("memory", properties["totalGlobalMem"] / GB, "GB", memory)


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "driver not asked: no nvidia-smi"
    return f"driver {done.stdout.strip().splitlines()[0] if done.stdout.strip() else 'unknown'}"


def _version(name: str) -> str:
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {name}"


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
