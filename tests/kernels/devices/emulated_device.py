"""A device that is the CPU: the kernels' own sources, compiled for it and run thread by thread (emulator.h).

Arrays are NumPy arrays in which fresh memory is garbage, with guards on both sides that every launch checks.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
import weakref
from pathlib import Path

import numpy as np

from headrace_kernels.cuda.device import DeviceError
from headrace_kernels.cuda.source import FOLDER

HERE = Path(__file__).parent
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")
FLAGS = ("-std=c++20", "-O1", "-g0", "-fPIC", "-shared", "-ffp-contract=off", "-fno-strict-aliasing", "-fwrapv", "-w")
SANITIZED = "HEADRACE_EMULATED_SANITIZERS" in os.environ
"""Kernels are compiled with the address and undefined-behaviour sanitizers, whose libraries must be preloaded."""

if SANITIZED:
    FLAGS = (*FLAGS, "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1")
CACHE = Path(tempfile.gettempdir()) / f"headrace-emulated-{os.getuid()}"
_GUARD = 64
_LOCK = threading.Lock()
_GARBAGE = 0xCB


class EmulatedDevice:
    """The CPU as a device.

    Args:
        seed: 0 for blocks and threads in their order; any other for an order of its own in every launch.
        number: which device it is.
        lost_after: launches after which it fails for good, as a device does that fell off its bus; None: never.
    """

    name = "emulated"

    def __init__(self, seed: int = 0, number: int = 0, lost_after: int | None = None) -> None:
        self.seed = seed
        self.number = number
        self.launches = 0
        self.lost_after = lost_after
        self.free_bytes = 1 << 33
        self.link_bytes_per_second = 1e10
        self._libraries = {}

    def empty(self, shape, dtype):
        shape = (shape,) if np.isscalar(shape) else tuple(shape)
        dtype = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if size > self.free_bytes:
            from headrace_kernels.cuda.device import OutOfMemoryError

            raise OutOfMemoryError(f"{self.name}: {size:,} bytes do not fit {self.free_bytes:,}")
        guarded = np.full(size + 2 * _GUARD, _GARBAGE, dtype=np.uint8)
        if SANITIZED:
            return _poisoned(guarded, size).view(dtype).reshape(shape)
        return guarded[_GUARD : _GUARD + size].view(dtype).reshape(shape)

    def zeros(self, shape, dtype):
        array = self.empty(shape, dtype)
        array[...] = np.zeros((), dtype)
        return array

    def put(self, array):
        copy = self.empty(array.shape, array.dtype)
        copy[...] = array
        return copy

    def get(self, array, out=None):
        if out is None:
            return array.copy()
        out[...] = array
        return out

    def read(self, address, out):
        if self.lost_after is not None and self.launches >= self.lost_after:
            raise DeviceError(f"{self.name}: an illegal memory access was encountered")
        ctypes.memmove(out.ctypes.data, address, out.nbytes)

    def wait_for(self, event):
        self.waited_for = event

    def lane(self):
        return contextlib.nullcontext()

    def synchronize(self):
        pass

    def launch(self, source, kernel, blocks, threads, arguments):
        if not 0 < threads <= 1024:
            raise DeviceError(f"{threads} threads in a block")
        self.launches += 1
        if self.lost_after is not None and self.launches > self.lost_after:
            raise DeviceError(f"{self.name}: unspecified launch failure")
        library = self._library(source)
        held = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                held.append(ctypes.c_void_p(argument.ctypes.data))
            else:
                held.append(ctypes.create_string_buffer(np.asarray(argument).tobytes()))
        pointers = (ctypes.c_void_p * len(held))(*[ctypes.addressof(each) for each in held])
        message = ctypes.create_string_buffer(200)
        entry = ctypes.cast(getattr(library, f"emu_entry_{kernel}"), ctypes.c_void_p)
        seed = self.seed and self.seed * 1_000_003 + self.launches
        with _LOCK:  # shared memory is one for the process
            failed = library.emu_run(entry, blocks, threads, pointers, seed, message, len(message))
        if failed:
            raise DeviceError(f"{source.name}.{kernel}: {message.value.decode()}")
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                _check_guards(argument, f"{source.name}.{kernel}")

    def _library(self, source):
        if source.name not in self._libraries:
            library = ctypes.CDLL(str(_compile(source)))
            library.emu_run.argtypes = [
                ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_uint, ctypes.c_char_p,
                ctypes.c_size_t,
            ]  # fmt: skip
            self._libraries[source.name] = library
        return self._libraries[source.name]


def _poisoned(guarded, size):
    """The middle of an array whose guards the address sanitizer keeps, until the array is freed."""
    process = ctypes.CDLL(None)
    low = guarded.ctypes.data
    for address in (low, low + _GUARD + size):
        process.__asan_poison_memory_region(ctypes.c_void_p(address), ctypes.c_size_t(_GUARD))
    middle = guarded[_GUARD : _GUARD + size]
    weakref.finalize(
        guarded, process.__asan_unpoison_memory_region, ctypes.c_void_p(low), ctypes.c_size_t(guarded.nbytes)
    )
    return middle


def _check_guards(array, where):
    if SANITIZED:
        return
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if owner.dtype != np.uint8 or owner.ndim != 1 or len(owner) < 2 * _GUARD:
        return
    if (owner[:_GUARD] != _GARBAGE).any() or (owner[-_GUARD:] != _GARBAGE).any():
        raise DeviceError(f"{where} wrote beside an array of {owner.nbytes - 2 * _GUARD:,} bytes")


def _compile(source):
    assert COMPILER is not None, "no C++ compiler"
    entries = "\n".join(
        f'extern "C" void emu_entry_{name}(void** arguments) {{ emu::call(&{name}, arguments); }}'
        for name in source.kernels
    )
    text = f'#include "emulator.h"\n#line 1 "{source.path}"\n{source.text}\n{entries}\n#include "emulator.cc"\n'
    parts = [text, *FLAGS, COMPILER, *(path.read_text() for path in sorted(FOLDER.glob("*.cuh")))]
    parts += [(HERE / name).read_text() for name in ("emulator.h", "emulator.cc")]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    CACHE.mkdir(exist_ok=True, mode=0o700)
    built = CACHE / f"{source.name}-{digest}.so"
    if not built.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            code, result = Path(folder) / "kernel.cc", Path(folder) / "kernel.so"
            code.write_text(text)
            command = [COMPILER, *FLAGS, f"-I{HERE}", f"-I{FOLDER}", str(code), "-o", str(result)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise AssertionError(f"{source.path} does not compile for the CPU:\n{done.stderr}")
            result.rename(built)
    return built
