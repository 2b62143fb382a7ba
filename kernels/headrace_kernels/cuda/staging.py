"""Copies between host and device through pinned memory, a piece at a time, so that they run beside other work.

The driver copies pageable memory with the calling thread waiting. Two pinned buffers take turns: while one is on its
way, the processor fills or empties the other.
"""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np
import numpy.typing as npt

_PIECE_BYTES = 1 << 25
_SMALL_BYTES = 1 << 18
_UP = cupy.cuda.runtime.memcpyHostToDevice
_DOWN = cupy.cuda.runtime.memcpyDeviceToHost


class Staging:
    """Two pinned buffers of one thread, made when the first large array is copied."""

    def __init__(self) -> None:
        self._buffers: list[npt.NDArray[np.uint8]] = []
        self._busy: list[Any] = [None, None]

    def upload(self, array: npt.NDArray[Any], there: Any) -> None:
        """Copy a C-contiguous host array into a device array of its size; the host array may change at once after."""
        if array.nbytes <= _SMALL_BYTES:
            if array.nbytes:
                there.set(array)
            return
        source = array.reshape(-1).view(np.uint8)
        stream = cupy.cuda.get_current_stream()
        for turn, begin in enumerate(range(0, len(source), _PIECE_BYTES)):
            piece = source[begin : begin + _PIECE_BYTES]
            buffer = self._buffer(turn % 2)
            buffer[: len(piece)] = piece
            cupy.cuda.runtime.memcpyAsync(there.data.ptr + begin, buffer.ctypes.data, len(piece), _UP, stream.ptr)
            self._busy[turn % 2] = stream.record()

    def download(self, array: Any, result: npt.NDArray[Any]) -> None:
        """Copy a C-contiguous device array into a C-contiguous host array of its size."""
        if array.nbytes <= _SMALL_BYTES:
            result[...] = cupy.asnumpy(array)
            return
        target = result.reshape(-1).view(np.uint8)
        stream = cupy.cuda.get_current_stream()
        begins = range(0, len(target), _PIECE_BYTES)
        for turn, begin in enumerate(begins):
            size = min(_PIECE_BYTES, len(target) - begin)
            buffer = self._buffer(turn % 2)
            cupy.cuda.runtime.memcpyAsync(buffer.ctypes.data, array.data.ptr + begin, size, _DOWN, stream.ptr)
            self._busy[turn % 2] = stream.record()
            if turn:
                self._empty(turn - 1, target, begins[turn - 1])
        self._empty(len(begins) - 1, target, begins[-1])

    def _empty(self, turn: int, target: npt.NDArray[np.uint8], begin: int) -> None:
        part = target[begin : begin + _PIECE_BYTES]
        part[:] = self._buffer(turn % 2)[: len(part)]

    def _buffer(self, number: int) -> npt.NDArray[np.uint8]:
        """A buffer with nothing on its way to or from it."""
        if not self._buffers:
            memory = [cupy.cuda.alloc_pinned_memory(_PIECE_BYTES) for _ in range(2)]
            self._buffers = [np.frombuffer(each, np.uint8, _PIECE_BYTES) for each in memory]
        busy, self._busy[number] = self._busy[number], None
        if busy is not None:
            busy.synchronize()
        return self._buffers[number]
