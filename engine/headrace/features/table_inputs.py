"""Tables that callers hand over: Arrow's own, or any other library's that speaks Arrow's C interfaces.

Reference: https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from headrace.core.errors import InvalidInputError, UnavailableError
from headrace.features.arrow_structures import CAPSULE, CPU, CUDA, CUDA_HOST, CUDA_MANAGED, Array, DeviceArray
from headrace_kernels.cuda.device import DeviceError, all_devices

if TYPE_CHECKING:
    from headrace_kernels.cuda.device import Device


def as_tables(tables: Mapping[str, Any], devices: Iterable[Device] = ()) -> dict[str, pa.Table]:
    """Each of the tables as `as_table` gives it."""
    return {name: as_table(name, values, devices) for name, values in tables.items()}


def as_table(name: str, values: Any, devices: Iterable[Device] = ()) -> pa.Table:
    """A table in the host's memory.

    Args:
        name: what messages call it.
        values: an Arrow table; or whatever has `__arrow_c_stream__` or `__arrow_c_array__` (a frame of Polars, pandas,
            DuckDB or cuDF), which is read without a copy where its library allows that; or has
            `__arrow_c_device_array__` (one batch of columns), of which columns in a CUDA device's memory are copied.
        devices: the devices that are open; another one that columns lie on is opened.

    Raises:
        InvalidInputError: it is none of these, or a column in a device's memory has a type that tables do not hold.
        UnavailableError: the device of the columns cannot be read.
    """
    if isinstance(values, pa.Table):
        return values
    try:
        if hasattr(values, "__arrow_c_stream__"):
            return _plain(pa.table(values))
        if hasattr(values, "__arrow_c_array__"):
            return _plain(pa.Table.from_batches([pa.record_batch(values)]))
        if hasattr(values, "__arrow_c_device_array__"):
            return _from_device(name, values, devices)
    except pa.ArrowException as error:
        raise InvalidInputError(f"table '{name}' cannot be read as Arrow: {error}") from error
    raise InvalidInputError(
        f"table '{name}' is a {type(values).__name__}, which is not a table",
        hint="give an Arrow table, or a frame with __arrow_c_stream__: Polars, pandas 2.2, DuckDB and cuDF have it",
    )


def _plain(table: pa.Table) -> pa.Table:
    """The table with its views of strings, of which Arrow can take no rows, as strings."""
    if not any(pa.types.is_string_view(column.type) for column in table.schema):
        return table
    plain = [
        column.with_type(pa.string()) if pa.types.is_string_view(column.type) else column for column in table.schema
    ]
    return table.cast(pa.schema(plain))


def _from_device(name: str, values: Any, devices: Iterable[Device]) -> pa.Table:
    described, held = values.__arrow_c_device_array__()  # `held` releases the buffers when it goes
    there = DeviceArray.from_address(_pointer(held))
    memory = _memory(name, there, devices)
    columns = pa.schema(_Described(described))
    batch = there.array
    if batch.n_children != len(columns) or batch.null_count > 0:
        raise InvalidInputError(f"table '{name}' is an Arrow array that is not a batch of columns")
    arrays = []
    try:
        memory.wait(there.sync_event)
        for place, column in enumerate(columns):
            array = _Copied(memory, f"column '{column.name}' of table '{name}'").array(
                batch.children[place].contents, column.type
            )
            arrays.append(array.slice(batch.offset, batch.length))
    except DeviceError as error:
        raise UnavailableError(f"table '{name}' cannot be read from its device: {error}") from error
    del held
    return pa.Table.from_arrays(arrays, schema=columns)


class _Described:
    """A type that came as a capsule."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_schema__(self) -> object:
        return self._capsule


class _Memory:
    """Where buffers are.

    Args:
        device: the device whose memory it is; None for the host's.
    """

    def __init__(self, device: Device | None) -> None:
        self._device = device

    def wait(self, event: int | None) -> None:
        """Wait until the producer's work is done: the address of a `cudaEvent_t`, or none."""
        if event and self._device is not None:
            self._device.wait_for(ctypes.c_size_t.from_address(event).value)

    def read(self, address: int, size: int) -> pa.Buffer:
        """A copy of some bytes."""
        copy = np.empty(size, np.uint8)
        if self._device is None:
            ctypes.memmove(copy.ctypes.data, address, size)
        elif size:
            self._device.read(address, copy)
        return pa.py_buffer(copy)


class _Copied:
    """Copies the buffers of a column.

    Args:
        memory: where they are.
        what: what messages call the column.
    """

    def __init__(self, memory: _Memory, what: str) -> None:
        self._memory = memory
        self._what = what

    def array(self, there: Array, dtype: pa.DataType) -> pa.Array:
        """The column on the host."""
        if pa.types.is_dictionary(dtype):
            codes = self.array(there, dtype.index_type)
            return pa.DictionaryArray.from_arrays(
                codes, self.array(there.dictionary.contents, dtype.value_type), ordered=dtype.ordered
            )
        if pa.types.is_null(dtype):
            return pa.nulls(there.length)
        end = there.offset + there.length
        known = self._buffer(there, 0, (end + 7) // 8)
        if pa.types.is_string(dtype) or pa.types.is_large_string(dtype):
            width = np.dtype(np.int32 if pa.types.is_string(dtype) else np.int64)
            places = self._buffer(there, 1, (end + 1) * width.itemsize) or pa.py_buffer(bytes(width.itemsize))
            last = int(np.frombuffer(places, width)[end]) if end else 0
            buffers = [known, places, self._buffer(there, 2, last) or pa.py_buffer(b"")]
        elif pa.types.is_primitive(dtype):
            buffers = [known, self._buffer(there, 1, (end * dtype.bit_width + 7) // 8) or pa.py_buffer(b"")]
        else:
            raise InvalidInputError(
                f"{self._what} has type {dtype} in a device's memory, which tables do not hold",
                hint="cast it: bool, integers, floats, strings, dictionaries of them and timestamps can be read",
            )
        return pa.Array.from_buffers(dtype, there.length, buffers, there.null_count, there.offset)

    def _buffer(self, there: Array, place: int, size: int) -> pa.Buffer | None:
        address = there.buffers[place] if place < there.n_buffers else None
        return self._memory.read(address, size) if address else None


def _memory(name: str, there: DeviceArray, devices: Iterable[Device]) -> _Memory:
    if there.device_type in (CPU, CUDA_HOST):
        return _Memory(None)
    if there.device_type not in (CUDA, CUDA_MANAGED):
        raise InvalidInputError(f"table '{name}' is in the memory of no CUDA device (device type {there.device_type})")
    for device in devices:
        if device.number == there.device_id:
            return _Memory(device)
    try:
        return _Memory(all_devices()[there.device_id])
    except (DeviceError, IndexError) as error:
        raise UnavailableError(f"table '{name}' is on CUDA device {there.device_id}: {error}") from error


def _pointer(capsule: object) -> int:
    address: int = _API.PyCapsule_GetPointer(capsule, CAPSULE)
    return address


_API = ctypes.PyDLL(None)  # of our own: argument types of `ctypes.pythonapi` are everybody's
_API.PyCapsule_GetPointer.restype = ctypes.c_void_p
_API.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
