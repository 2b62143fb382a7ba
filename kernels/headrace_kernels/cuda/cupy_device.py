"""CUDA devices through CuPy: the only module that imports it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import cupy
import numpy as np
import numpy.typing as npt

from headrace_kernels.cuda.device import DeviceArray, DeviceError, OutOfMemoryError
from headrace_kernels.cuda.source import FOLDER, OPTIONS, Source
from headrace_kernels.cuda.staging import Staging

_Value = TypeVar("_Value")
_LOCK = threading.Lock()


@dataclass(frozen=True)
class _Lane:
    """A stream and the buffers of its copies; no stream is whatever is current."""

    stream: Any
    staging: Staging


def count_devices() -> int:
    """CUDA devices of this machine.

    Raises:
        DeviceError: the driver does not answer; the message says why.
    """
    try:
        return int(cupy.cuda.runtime.getDeviceCount())
    except Exception as error:
        raise DeviceError(f"no CUDA driver answers: {_first_line(error)}") from error


class CupyDevice:
    """One CUDA device, its memory taken from CuPy's pool; safe from several threads.

    Work goes to CuPy's current stream of the thread that asks; `lane` makes that a new one.

    Args:
        number: which device.

    Raises:
        DeviceError: it is not there.
    """

    def __init__(self, number: int = 0) -> None:
        count = count_devices()
        if number >= count:
            raise DeviceError(f"CUDA device {number} is asked for, and there are {count}")
        self.number = number
        self._device = cupy.cuda.Device(number)
        self.name = str(cupy.cuda.runtime.getDeviceProperties(number)["name"].decode())
        self._modules: dict[str, Any] = {}
        self._local = threading.local()
        self._idle: list[_Lane] = []

    @property
    def free_bytes(self) -> int:
        """Bytes that can still be taken: those that the pool holds unused, and those outside of it."""
        with self._device:
            free, _ = cupy.cuda.runtime.memGetInfo()
            return int(free) + int(cupy.get_default_memory_pool().free_bytes())

    def empty(self, shape: int | Sequence[int], dtype: npt.DTypeLike) -> DeviceArray:
        """An array with anything in it; see `Device`."""
        return self._do(lambda: cupy.empty(shape, dtype))

    def zeros(self, shape: int | Sequence[int], dtype: npt.DTypeLike) -> DeviceArray:
        """An array of zeros; see `Device`."""
        return self._do(lambda: cupy.zeros(shape, dtype))

    def put(self, array: npt.NDArray[Any]) -> DeviceArray:
        """A copy of a host array; see `Device`."""

        def copy() -> DeviceArray:
            there = cupy.empty(array.shape, array.dtype)
            self._staging().upload(array, there)
            return there

        return self._do(copy)

    def get(self, array: DeviceArray, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """A copy on the host; see `Device`."""
        target = np.empty(array.shape, array.dtype) if out is None else out
        self._do(lambda: self._staging().download(array, target))
        return target

    def read(self, address: int, out: npt.NDArray[np.uint8]) -> None:
        """Copy bytes of somebody else's array; see `Device`."""

        def copy() -> None:
            memory = cupy.cuda.UnownedMemory(address, out.nbytes, None, self.number)
            there = cupy.ndarray(out.shape, cupy.uint8, memptr=cupy.cuda.MemoryPointer(memory, 0))
            self._staging().download(there, out)

        self._do(copy)

    def wait_for(self, event: int) -> None:
        """Wait for somebody else's event; see `Device`."""
        self._do(lambda: cupy.cuda.runtime.eventSynchronize(event))

    @cached_property
    def link_bytes_per_second(self) -> float:
        """How fast a second copy of 32 MiB to the device is; see `Device`."""
        host = np.zeros(1 << 25, np.uint8)
        self.put(host)
        self.synchronize()
        started = time.perf_counter()
        self.put(host)
        self.synchronize()
        return host.nbytes / (time.perf_counter() - started)

    def launch(self, source: Source, kernel: str, blocks: int, threads: int, arguments: Sequence[Any]) -> None:
        """Run a kernel; see `Device`."""
        self._do(lambda: self._module(source).get_function(kernel)((blocks,), (threads,), tuple(arguments)))

    @contextlib.contextmanager
    def lane(self) -> Iterator[None]:
        """A stream of its own; see `Device`. What was asked for inside is done when it ends.

        Lanes are used again, with their pinned buffers: CuPy keeps what was given back for the stream that had it.
        """
        if self._current_lane() is not None:
            yield
            return
        lane = self._take_lane()
        self._local.lane = lane
        try:
            with self._device, lane.stream:
                yield
                self._do(lane.stream.synchronize)
        finally:
            self._local.lane = None
            with _LOCK:
                self._idle.append(lane)

    def synchronize(self) -> None:
        """Wait for the current stream; see `Device`."""
        self._do(lambda: cupy.cuda.get_current_stream().synchronize())

    def _staging(self) -> Staging:
        lane = self._current_lane()
        if lane is None:
            lane = self._local.outside = getattr(self._local, "outside", None) or _Lane(None, Staging())
        return lane.staging

    def _current_lane(self) -> _Lane | None:
        lane: _Lane | None = getattr(self._local, "lane", None)
        return lane

    def _take_lane(self) -> _Lane:
        with _LOCK:
            if self._idle:
                return self._idle.pop()
        return self._do(lambda: _Lane(cupy.cuda.Stream(non_blocking=True), Staging()))

    def _module(self, source: Source) -> Any:
        with _LOCK:
            if source.name not in self._modules:
                # CuPy keeps compiled code by source and options: headers have to show among them
                options = (*OPTIONS, f"-I{FOLDER}", f"-DHEADRACE_DIGEST=0x{source.digest[:15]}")
                self._modules[source.name] = cupy.RawModule(code=source.text, options=options, backend="nvrtc")
            return self._modules[source.name]

    def _do(self, work: Callable[[], _Value]) -> _Value:
        try:
            with self._device:
                return work()
        except cupy.cuda.memory.OutOfMemoryError as error:
            raise OutOfMemoryError(f"{self.name}: {_first_line(error)}") from error
        except DeviceError:
            raise
        except (RuntimeError, cupy.cuda.compiler.CompileException) as error:  # the driver's, or a library is not there
            raise DeviceError(f"{self.name}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
