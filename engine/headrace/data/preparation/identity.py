"""An identity for rows that have none: a hash of the key or of the whole row, the same in every run and everywhere.

Each value becomes 128 bits (numbers and times by their bits, text by BLAKE2b, 16 bytes), and a row the mix of its
columns' bits and names. Not for adversaries: who chooses numbers can choose rows that collide. Two random rows do with
probability 2**-128. Reference: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014, section 4
(the 64-bit finalizer); RFC 7693 (BLAKE2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headrace.core.errors import DefinitionError

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

SEEDS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)
NULL = (0x5851F42D4C957F2D, 0x14057B7EF767814F)
HEX_CHARS = 32


@dataclass(frozen=True)
class RowId:
    """A column of row identities, 32 hexadecimal characters.

    Attributes:
        column: its name.
        of: columns that make a row what it is; empty: all columns, so that equal rows have one identity.
    """

    column: str = "row_id"
    of: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.column:
            raise DefinitionError("a RowId needs a column name")

    def add(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with the column.

        Raises:
            DefinitionError: the frame has the column already, or lacks one of `of`.
        """
        if self.column in frame.columns:
            raise DefinitionError(f"RowId column '{self.column}' is there already; choose another name")
        for name in self.of:
            if name not in frame.columns:
                raise DefinitionError(f"RowId is made of column '{name}'; there are: {', '.join(frame.columns)}")
        return frame.with_columns(row_ids(frame.select(list(self.of) or frame.columns)).alias(self.column))


def row_ids(frame: pl.DataFrame) -> pl.Series:
    """One identity a row.

    Args:
        frame: columns of the vocabulary. Their names matter, their order does not; null is a value, and so is -0.0,
            which differs from 0.0; all NaN are one.

    Returns:
        String: 32 hexadecimal characters a row.
    """
    halves = [np.full(frame.height, np.uint64(seed)) for seed in SEEDS]
    for name in sorted(frame.columns):
        for half, (values, seed) in enumerate(zip(_bits(frame.get_column(name)), SEEDS, strict=True)):
            halves[half] = _mixed(halves[half] * np.uint64(seed) + _mixed(values + _text_bits(name)[half]))
    return _hexadecimal(halves[0], halves[1])


def _bits(column: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Two times 64 bits a value."""
    import polars as pl

    if column.dtype == pl.String():
        low, high = _text_column(column)
    else:
        low = high = _number_column(column)
    if column.null_count():
        missing = column.is_null().to_numpy()
        low, high = (np.where(missing, np.uint64(mark), bits) for bits, mark in zip((low, high), NULL, strict=True))
    return low, high


def _number_column(column: pl.Series) -> NDArray[np.uint64]:
    import polars as pl

    if column.dtype == pl.Float64():
        plain = column.fill_null(0.0).to_numpy()
        return np.where(np.isnan(plain), np.nan, plain).view(np.uint64)
    return column.to_physical().cast(pl.Int64).fill_null(0).to_numpy().view(np.uint64)


def _text_column(column: pl.Series) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Each different text is hashed once."""
    import hashlib

    import polars as pl

    filled = column.fill_null("")
    known = filled.unique()
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in known)
    halves = np.frombuffer(digests, "<u8").reshape(-1, 2)
    places = filled.replace_strict(known, pl.int_range(len(known), eager=True), return_dtype=pl.UInt32()).to_numpy()
    return halves[places, 0], halves[places, 1]


def _text_bits(text: str) -> tuple[np.uint64, np.uint64]:
    import hashlib

    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.uint64(int.from_bytes(digest[:8], "little")), np.uint64(int.from_bytes(digest[8:], "little"))


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer: every bit of a value moves half of the others."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _hexadecimal(low: NDArray[np.uint64], high: NDArray[np.uint64]) -> pl.Series:
    import polars as pl
    import pyarrow as pa

    raw = np.stack([low, high], axis=1).astype("<u8").view(np.uint8).reshape(-1)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.stack([digits[raw >> 4], digits[raw & 15]], axis=1).reshape(-1)
    offsets = np.arange(len(low) + 1, dtype=np.int64) * HEX_CHARS
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(text.tobytes())]
    series = pl.Series(pa.Array.from_buffers(pa.large_string(), len(low), buffers))
    assert series.dtype == pl.String(), "large strings are strings"
    return series
