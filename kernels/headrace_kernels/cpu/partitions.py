"""Cut a table's rows into buckets of neighbouring keys, each small enough for the cache.

Everything after this works on one bucket at a time, and on several buckets at once. Rows keep their order inside a
bucket, so the cut is the same for any number of threads.
"""

# ruff: noqa: PLR0917  # compiled loops take arrays, not objects

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Codes, Times

Rows = npt.NDArray[np.int32]

_BINS = 1 << 14
_CHUNK_ROWS = 1 << 18

ForEach = Callable[[Callable[[int], None], int], None]
"""Calls a function with 0 to n - 1, in any order, on any threads."""


@dataclass(frozen=True)
class BucketLayout:
    """Which keys belong to which bucket.

    Attributes:
        shift: keys with the same code >> shift share a bin.
        bucket_of: int32[n_bins], bucket of a bin, ascending.
        lows: int64[n_buckets + 1], first key code of each bucket; the last entry is the number of keys.
    """

    shift: int
    bucket_of: npt.NDArray[np.int32]
    lows: npt.NDArray[np.int64]

    @property
    def n_buckets(self) -> int:
        """Number of buckets."""
        return len(self.lows) - 1


@dataclass(frozen=True)
class Buckets:
    """A table's rows by bucket.

    Attributes:
        starts: int64[n_buckets + 1].
        rows: int32[n_kept], rows of the table, ascending within a bucket; rows without a key are left out.
        codes: int32[n_kept], the key of each of them.
    """

    starts: npt.NDArray[np.int64]
    rows: Rows
    codes: Codes

    def of(self, bucket: int) -> slice:
        """Where one bucket lies in `rows`, `codes` and what else is cut alike."""
        return slice(int(self.starts[bucket]), int(self.starts[bucket + 1]))


def bin_shift(n_keys: int) -> int:
    """How far codes are shifted so that they fall into a few thousand bins."""
    shift = 0
    while (max(n_keys, 1) - 1) >> shift >= _BINS:
        shift += 1
    return shift


def count_rows(codes: Codes, n_keys: int, for_each: ForEach) -> npt.NDArray[np.int64]:
    """Rows in each bin, chunk by chunk.

    Args:
        codes: int32[n_rows], key of each row, or -1.
        n_keys: number of keys.
        for_each: runs the chunks.

    Returns:
        int64[n_chunks, n_bins].
    """
    shift = bin_shift(n_keys)
    chunks = max(1, -(-len(codes) // _CHUNK_ROWS))
    counts = np.zeros((chunks, (max(n_keys, 1) - 1 >> shift) + 1), dtype=np.int64)
    for_each(lambda chunk: _count(_chunk(codes, chunk), shift, counts[chunk]), chunks)
    return counts


def lay_out(counts: Sequence[npt.NDArray[np.int64]], n_keys: int, rows_per_bucket: int) -> BucketLayout:
    """Put neighbouring bins together until a bucket is full.

    Args:
        counts: int64[n_chunks, n_bins] of every table that is to be cut alike.
        n_keys: number of keys.
        rows_per_bucket: rows, of all tables together, that a bucket should have; a key is never cut.
    """
    shift = bin_shift(n_keys)
    total = np.sum([each.sum(axis=0) for each in counts], axis=0)
    before = np.cumsum(total) - total
    bucket_of = before // rows_per_bucket
    _, bucket_of = np.unique(bucket_of, return_inverse=True)
    first_bins = np.flatnonzero(np.diff(bucket_of, prepend=-1))
    lows = np.append(first_bins << shift, n_keys).astype(np.int64)
    return BucketLayout(shift, bucket_of.astype(np.int32), lows)


def cut_rows(
    codes: Codes,
    counts: npt.NDArray[np.int64],
    layout: BucketLayout,
    values: Sequence[Times],
    for_each: ForEach,
) -> tuple[Buckets, list[Times]]:
    """Sort rows into buckets, in the order they come, and values of theirs with them. Complexity: O(n).

    Args:
        codes: int32[n_rows], key of each row, or -1.
        counts: int64[n_chunks, n_bins], from `count_rows` of the same codes.
        layout: which bucket a key belongs to.
        values: int64[n_rows] each: cutting them here is cheaper than looking them up row by row later.
        for_each: runs the chunks.

    Returns:
        The rows by bucket, and int64[n_kept] for each of the values.
    """
    chunks = len(counts)
    sizes = np.zeros((chunks, layout.n_buckets), dtype=np.int64)
    for chunk in range(chunks):
        sizes[chunk] = np.bincount(layout.bucket_of, weights=counts[chunk], minlength=layout.n_buckets)
    starts = np.concatenate([[0], np.cumsum(sizes.sum(axis=0))]).astype(np.int64)
    places = starts[:-1] + np.cumsum(sizes, axis=0) - sizes
    rows, kept = np.empty(int(starts[-1]), dtype=np.int32), np.empty(int(starts[-1]), dtype=np.int32)
    cut = [np.empty(int(starts[-1]), dtype=np.int64) for _ in values]

    def scatter(chunk: int) -> None:
        mine, begin = _chunk(codes, chunk), chunk * _CHUNK_ROWS
        for source, target in zip(values, cut, strict=True):
            part = source[begin : begin + len(mine)]
            _scatter_values(mine, part, layout.shift, layout.bucket_of, places[chunk].copy(), target)
        _scatter(mine, begin, layout.shift, layout.bucket_of, places[chunk].copy(), rows, kept)

    for_each(scatter, chunks)
    return Buckets(starts, rows, kept), cut


def _chunk(codes: Codes, chunk: int) -> Codes:
    return codes[chunk * _CHUNK_ROWS : (chunk + 1) * _CHUNK_ROWS]


@kernel
def _count(codes: Codes, shift: int, counts: npt.NDArray[np.int64]) -> None:
    for row in range(len(codes)):
        if codes[row] >= 0:
            counts[codes[row] >> shift] += 1


@kernel
def _scatter(
    codes: Codes,
    offset: int,
    shift: int,
    bucket_of: npt.NDArray[np.int32],
    places: npt.NDArray[np.int64],
    rows: Rows,
    kept: Codes,
) -> None:
    for row in range(len(codes)):
        code = codes[row]
        if code >= 0:
            bucket = bucket_of[code >> shift]
            rows[places[bucket]], kept[places[bucket]] = row + offset, code
            places[bucket] += 1


@kernel
def _scatter_values(
    codes: Codes,
    values: Times,
    shift: int,
    bucket_of: npt.NDArray[np.int32],
    places: npt.NDArray[np.int64],
    cut: Times,
) -> None:
    for row in range(len(codes)):
        code = codes[row]
        if code >= 0:
            bucket = bucket_of[code >> shift]
            cut[places[bucket]] = values[row]
            places[bucket] += 1
