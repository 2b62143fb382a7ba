"""Rows that came before, and whether whole blocks of them did: a file that was read twice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from headrace.validation.findings import Finding
from headrace.validation.rising import strictly_rising

if TYPE_CHECKING:
    import polars as pl

_CHANCE = 1e-9
_SHORTEST = 20
_COMMON = 0.95


def repeated_rows(frame: pl.DataFrame) -> pl.Series:
    """Whether each row came before, all columns equal, by a 64-bit hash: of 10 M rows none is mistaken (p < 1e-5)."""
    return ~_hashes(frame).is_first_distinct()


def duplicated_blocks(frame: pl.DataFrame, left_out: tuple[str, ...] = ()) -> Iterator[Finding]:
    """Name stretches of neighbouring rows that all came before.

    Tables repeat single rows by nature; a stretch counts when it is longer than such repeats make by chance. A stretch
    of fewer than 20 rows never counts.

    Args:
        frame: in the order of its source.
        left_out: columns that number rows (a line of a file) and would make every row another.
    """
    frame = frame.drop(left_out, strict=False)
    if any(strictly_rising(column) for column in frame.iter_columns()):
        return  # such a column tells every two rows apart
    rows = _hashes(frame)
    if rows.n_unique() == len(rows):
        return
    repeated = (~rows.is_first_distinct()).to_numpy()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], repeated.astype(np.int8), [0]])))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    at = int(lengths.argmax())
    # The longest stretch itself must not raise the bar: the other rows say how often a row repeats by nature (late in
    # the table up to twice as often as on average), and so does how often rows repeat within the stretch.
    others = max(1, len(repeated) - int(lengths[at]))
    outside = 2.0 * (int(repeated.sum()) - int(lengths[at])) / others
    stretch = rows.slice(int(starts[at]), int(lengths[at]))
    natural = max(outside, 1.0 - stretch.n_unique() / len(stretch))
    if natural >= _COMMON:
        return  # a table of few different rows: nobody can tell
    needed = _SHORTEST if natural <= 0 else max(_SHORTEST, math.log(_CHANCE / len(repeated)) / math.log(natural))
    blocks = [(int(start), int(length)) for start, length in zip(starts, lengths, strict=True) if length >= needed]
    if not blocks:
        return
    count = sum(length for _, length in blocks)
    start, length = int(starts[at]), int(lengths[at])
    message = (
        f"{count:,} of {len(repeated):,} rows repeat earlier ones in {len(blocks)} unbroken "
        f"{'block' if len(blocks) == 1 else 'blocks'}, the longest of {length:,} rows from row {start:,} on: "
        "was a file read twice?"
    )
    evidence = {"rows": count, "blocks": blocks[:20], "total": len(repeated)}
    yield Finding("duplicated_rows", "", message, length / needed, None, evidence)


def _hashes(frame: pl.DataFrame) -> pl.Series:
    import polars as pl

    return frame.hash_rows(1) if frame.height and frame.width else pl.Series([], dtype=pl.UInt64())
