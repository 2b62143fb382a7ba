"""Arrow columns as the plain arrays that sketches take, and what a profile calls their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from headrace.core.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace_kernels.dtypes import Hashes

Kind = Literal["bool", "int", "float", "string", "time", "other"]
_SEED = 0x4865_6164  # of all hashes in profiles: a change would part new sketches from old ones


def kind_of(arrow: pa.DataType) -> Kind:
    """What a column's values are: dates and times without a zone count as times, what has no order as other."""
    import pyarrow.types as is_

    plain = arrow.value_type if is_.is_dictionary(arrow) else arrow
    kinds: dict[Kind, bool] = {
        "bool": is_.is_boolean(plain),
        "int": is_.is_integer(plain) and not is_.is_uint64(plain),
        "float": is_.is_floating(plain) or is_.is_decimal(plain) or is_.is_uint64(plain),
        "string": is_.is_string(plain) or is_.is_large_string(plain) or is_.is_string_view(plain),
        "time": is_.is_timestamp(plain) or is_.is_date(plain),
    }
    return next((kind for kind, holds in kinds.items() if holds), "other")


def joined(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece, dictionaries unified."""
    import pyarrow as pa

    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def integers(values: pa.Array) -> npt.NDArray[np.int64]:
    """Integers, or times as microseconds since the epoch, without nulls: int64[n], in the order of rows.

    Raises:
        InvalidInputError: a time does not fit into 64 bits of microseconds.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    present = _plain(values).drop_null()
    try:
        if kind_of(present.type) == "time":
            micro = pa.timestamp("us", getattr(present.type, "tz", None))
            present = pc.cast(present, options=pc.CastOptions(micro, allow_time_truncate=True))
        present = present.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise InvalidInputError(f"a time lies outside of what microseconds hold in 64 bits: {error}") from error
    found: npt.NDArray[np.int64] = view_of(present)
    return found


def floats(values: pa.Array) -> npt.NDArray[np.float64]:
    """Numbers without nulls as float64[n]; decimals and uint64 are rounded to the nearest."""
    import pyarrow as pa

    found: npt.NDArray[np.float64] = view_of(_plain(values).drop_null().cast(pa.float64(), safe=False))
    return found


def hash_integers(values: npt.NDArray[Any]) -> Hashes:
    """XXH64 of int64[n], or of the bits of float64[n]."""
    from headrace_kernels.cpu.hashing import hash_integers as hashed

    return hashed(np.require(values.view(np.int64), requirements=["C", "W"]), _SEED)


def hash_strings(strings: pa.Array) -> Hashes:
    """XXH64 of strings without nulls, as UTF-8."""
    import pyarrow as pa

    from headrace_kernels.cpu.hashing import hash_strings as hashed

    if not len(strings):
        return np.zeros(0, dtype=np.uint64)
    wide = strings.cast(pa.large_string())
    _, places, characters = wide.buffers()
    offsets = np.frombuffer(places, np.int64)[wide.offset : wide.offset + len(wide) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(0, np.uint8) if last == first else np.frombuffer(characters, np.uint8)[first:last].copy()
    return hashed(offsets - first, data, _SEED)


def _plain(values: pa.Array) -> pa.Array:
    import pyarrow as pa

    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def view_of(values: pa.Array) -> npt.NDArray[Any]:
    """The values of an array of fixed-width numbers as they lie in memory; anything where they are null."""
    if not len(values):
        return np.zeros(0, dtype=values.type.to_pandas_dtype())
    return np.frombuffer(values.buffers()[1], values.type.to_pandas_dtype())[
        values.offset : values.offset + len(values)
    ]


def valid_of(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Which values are not null."""
    bits = values.buffers()[0]
    if bits is None or not len(values):
        return np.full(len(values), fill_value=bits is None)
    packed = np.frombuffer(bits, np.uint8)[values.offset // 8 : (values.offset + len(values) + 7) // 8]
    unpacked = np.unpackbits(packed, bitorder="little").view(np.bool_)
    return unpacked[values.offset % 8 :][: len(values)]


def arrow_places(places: npt.NDArray[np.intp]) -> pa.Array:
    """Positions as an Arrow array. Not `pa.array`: it imports pandas (0.2 s), where there is one."""
    import pyarrow as pa

    owned = np.ascontiguousarray(places, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(owned), [None, pa.py_buffer(owned)])
