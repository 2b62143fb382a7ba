"""Tensors of the protocol as NumPy arrays, and back.

A tensor arrives raw (little-endian, row-major bytes; BYTES elements as a uint32 length and the bytes) or as typed
`contents`; it always leaves raw. Every error names the tensor, what came and what was expected.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError
from headrace.wire import inference_pb2 as pb

Array = npt.NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype("O"),
}
"""Datatype names of the protocol and the array dtype of each; NumPy has no BF16, so its bits travel as uint16."""

_NAMES = {dtype: name for name, dtype in DTYPES.items() if name != "BF16"}

_CONTENTS: dict[str, str] = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Field of `InferTensorContents` that carries each datatype; FP16 and BF16 travel raw only."""

_LENGTH = struct.Struct("<I")


def datatype_of(dtype: npt.DTypeLike) -> str:
    """Protocol name of an array dtype.

    Raises:
        InvalidInputError: the protocol has no such datatype.
    """
    known = np.dtype(dtype).newbyteorder("<")
    if known.kind in "SU":
        return "BYTES"
    if known not in _NAMES:
        raise InvalidInputError(f"dtype {known} has no datatype in the protocol; allowed: {', '.join(DTYPES)}")
    return _NAMES[known]


def encode_raw(array: Array) -> bytes:
    """Encode an array for `raw_input_contents` or `raw_output_contents`.

    Args:
        array: any shape, a dtype of `DTYPES`; elements of an object array are bytes or str.
    """
    if array.dtype.kind not in "OSU":
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    parts: list[bytes] = []
    for element in array.ravel():
        content = element.encode() if isinstance(element, str) else bytes(element)
        parts += [_LENGTH.pack(len(content)), content]
    return b"".join(parts)


def decode_raw(name: str, datatype: str, shape: Sequence[int], content: bytes) -> Array:
    """Decode raw bytes without a copy (BYTES and BOOL excepted): the array is read-only and keeps the bytes alive.

    A BOOL is any byte: zero is False, every other one True.

    Args:
        name: the tensor's name, for messages.
        datatype: one of `DTYPES`.
        shape: extent of each dimension, none negative.
        content: the raw bytes.

    Raises:
        InvalidInputError: unknown datatype, or a byte size other than datatype and shape need.
    """
    dtype = check_raw_size(name, datatype, shape, len(content))
    if datatype == "BYTES":
        return _decode_bytes(name, shape, content)
    if not content:
        return _empty(name, shape, dtype)
    array: Array = np.ndarray(shape, dtype, content)
    return array.view(np.uint8) != 0 if datatype == "BOOL" else array


def check_raw_size(name: str, datatype: str, shape: Sequence[int], size_bytes: int) -> np.dtype[Any]:
    """Check the size of raw bytes against datatype and shape; BYTES are of any size. The dtype is returned.

    Raises:
        InvalidInputError: unknown datatype, or another size than they need.
    """
    dtype = _dtype(name, datatype)
    expected = math.prod(shape) * dtype.itemsize
    if size_bytes != expected and datatype != "BYTES":
        raise InvalidInputError(
            f"input '{name}': {size_bytes} bytes came, {datatype} of shape {list(shape)} needs {expected}"
        )
    return dtype


def decode_contents(name: str, datatype: str, shape: Sequence[int], contents: pb.InferTensorContents) -> Array:
    """Decode typed `contents`.

    Raises:
        InvalidInputError: unknown datatype, a value in a field of another datatype, a value that the datatype cannot
            hold, or a count of values other than the shape needs.
    """
    dtype = _dtype(name, datatype)
    field = _CONTENTS.get(datatype)
    if field is None:
        raise InvalidInputError(f"input '{name}': {datatype} has no typed contents", hint="send raw_input_contents")
    others = [found.name for found, _ in contents.ListFields() if found.name != field]
    if others:
        raise InvalidInputError(f"input '{name}': {datatype} values belong in {field}; {', '.join(others)} came")
    values = getattr(contents, field)
    count = math.prod(shape)
    if len(values) != count:
        raise InvalidInputError(
            f"input '{name}': {len(values)} values came in {field}, shape {list(shape)} needs {count}"
        )
    if not count:
        return _empty(name, shape, dtype)
    if datatype == "BYTES":
        array = np.empty(count, dtype=dtype)
        array[:] = list(values)
        return array.reshape(shape)
    narrow = dtype.kind in "iu" and dtype.itemsize < 4  # a cast of the field's own int32 buffer would wrap silently
    try:
        return np.array(list(values) if narrow else values, dtype=dtype).reshape(shape)
    except OverflowError as error:
        raise InvalidInputError(f"input '{name}': a value of {field} does not fit {datatype}: {error}") from error


def _dtype(name: str, datatype: str) -> np.dtype[Any]:
    dtype = DTYPES.get(datatype)
    if dtype is None:
        raise InvalidInputError(f"input '{name}': datatype '{datatype}' came, allowed: {', '.join(DTYPES)}")
    return dtype


def _empty(name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    try:
        return np.empty(shape, dtype)
    except ValueError as error:  # beside a zero any other extent may be of any size
        raise InvalidInputError(f"input '{name}': shape {list(shape)} came, which no array can have") from error


def _decode_bytes(name: str, shape: Sequence[int], content: bytes) -> Array:
    elements: list[bytes] = []
    position = 0
    while position + _LENGTH.size <= len(content):
        (length,) = _LENGTH.unpack_from(content, position)
        start = position + _LENGTH.size
        if start + length > len(content):
            break
        position = start + length
        elements.append(content[start:position])
    count = math.prod(shape)
    if position != len(content) or len(elements) != count:
        raise InvalidInputError(
            f"input '{name}': {len(content)} bytes came, which are not {count} BYTES elements "
            f"(each a little-endian uint32 length and that many bytes) for shape {list(shape)}"
        )
    if not count:
        return _empty(name, shape, DTYPES["BYTES"])
    array = np.empty(count, dtype=object)
    array[:] = elements
    return array.reshape(shape)
