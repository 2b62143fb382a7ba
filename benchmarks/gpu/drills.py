"""Fallback drills: memory exhausted, the device hidden, a device that is not there, one that is lost in mid-run.

Each must end in words and a code, never in a wrong answer. Devices are lost only in processes of their own.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from findings import Finding, Setting, equal, missing
from sections import environment

from headrace_kernels.cuda import device, scan
from headrace_kernels.cuda.device import DeviceError, OutOfMemoryError

HERE = Path(__file__).parent
_LOST = r"""
import cupy, sys
from headrace_kernels.cuda import device
from headrace_kernels.cuda.device import DeviceError
items = device.put(__import__("numpy").zeros(4))
cupy.RawModule(code='extern "C" __global__ void stop() { asm("trap;"); }').get_function("stop")((1,), (1,), ())
for _ in range(2):
    try:
        device.get(items)
        sys.exit("the array was read from a lost device")
    except DeviceError as error:
        print(error, flush=True)
__import__("os")._exit(0)  # what the lost device says at the end is its own affair
"""


def run(setting: Setting) -> Iterator[Finding]:
    """All drills, one line each."""
    yield memory_exhausted()
    yield device_hidden(["-m", "headrace_kernels.conformance"], "device hidden: conformance")
    yield device_hidden([str(HERE / "check.py")], "device hidden: this check")
    if setting.emulated:
        yield missing("device number beyond the last", "needs a device")
        yield missing("device lost in mid-run", "needs a device")
        return
    yield no_such_device()
    yield device_lost()


def memory_exhausted() -> Finding:
    """Ask for more than the pool may take; then, with the limit gone, for the same again."""
    name, items = "memory exhausted", np.arange(1_000_000)
    expected = np.concatenate([[0], np.cumsum(items)])
    try:
        with little_memory(4_000_000):
            device.get(scan.prefix_sums(device.put(items)))
        return equal(name, "8 MB fitted into a pool of 4 MB")
    except OutOfMemoryError as error:
        said = str(error)
    if not np.array_equal(device.get(scan.prefix_sums(device.put(items))), expected):
        return equal(name, "the device computes wrongly after it")
    return equal(name, "" if said.startswith(device.current().name) else f"it says '{said}'", said)


@contextlib.contextmanager
def little_memory(size_bytes: int) -> Iterator[None]:
    """Leave the device so much memory while inside, and all of it afterwards."""
    here = device.current()
    if here.name == "emulated":
        before, here.free_bytes = here.free_bytes, size_bytes  # type: ignore[misc]
        try:
            yield
        finally:
            here.free_bytes = before  # type: ignore[misc]
        return
    import cupy

    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    limit = pool.get_limit()
    pool.set_limit(pool.used_bytes() + size_bytes)
    try:
        yield
    finally:
        pool.set_limit(limit)


def device_hidden(arguments: list[str], name: str) -> Finding:
    """With CUDA_VISIBLE_DEVICES empty, a program must say so and end with 3."""
    done = subprocess.run(
        [sys.executable, *arguments], env={**environment(), "CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    said = (done.stderr.strip().splitlines() or [""])[-1]
    right = done.returncode == 3 and said.startswith("no CUDA device: ")
    return equal(name, "" if right else f"it ended with {done.returncode} and said '{said}'", f"exit code 3, '{said}'")


def no_such_device() -> Finding:
    """A number beyond the last device is refused in words."""
    from headrace_kernels.cuda.cupy_device import CupyDevice

    name = "device number beyond the last"
    try:
        CupyDevice(99)
    except DeviceError as error:
        return equal(name, "" if "99" in str(error) else f"it says '{error}'", str(error))
    return equal(name, "there is a device 99")


def device_lost() -> Finding:
    """A kernel that traps takes the device from its process: every later use must raise DeviceError."""
    done = subprocess.run(
        [sys.executable, "-c", _LOST], env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    said = (done.stdout.strip() or done.stderr.strip()).splitlines() or [""]
    return equal("device lost in mid-run", "" if done.returncode == 0 else said[-1], said[0])
