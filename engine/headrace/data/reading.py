"""What a source gives: bounded pieces of typed rows in source order, and beside them what could not be typed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BATCH_BYTES = 64 << 20
RAW_LINE_CHARS = 4_096
SHOWN_CHARS = 60
REJECTED = ("source_file", "line_number", "raw_line", "reason")


@dataclass(frozen=True)
class Part:
    """One bounded piece of a source, in source order.

    Attributes:
        table: rows that parsed; columns of the vocabulary (`headrace.data.types`).
        rejected: source_file string, line_number int64, raw_line string (its first 4,096 characters), reason string.
        rows: records read, good and bad.
        file: where the piece comes from, as messages name it.
        lines: int64[table.num_rows], line (text) or row (everything else) of `file` where each row begins, counted
            from 1.
        read_bytes: how much of the source's `size()` this piece took, for progress.
    """

    table: pa.Table
    rejected: pa.Table
    rows: int
    file: str = ""
    lines: NDArray[np.int64] | None = field(default=None, repr=False)
    read_bytes: int = 0


@runtime_checkable
class Source(Protocol):
    """Where rows come from, declared: nothing is opened until it is read, and it can be read again."""

    def parts(self, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Part]:
        """Read the source piece by piece, a few times `batch_bytes` of memory whatever its size.

        At least one part comes, without rows where the source has none, so that its columns are known.

        Raises:
            SourceError: missing, unreadable or damaged; raised while iterating, at the piece where it is met.
        """
        ...

    def size(self) -> int | None:
        """Bytes to be read, for progress; None where unknown."""
        ...


@dataclass(frozen=True)
class Rejection:
    """One record that is set aside.

    Attributes:
        line: line or row of the file, counted from 1.
        raw: the record's text.
        reason: what is wrong, with the column and the value where there is one.
    """

    line: int
    raw: str
    reason: str


def rejected_table(file: str, rejections: Sequence[Rejection] = ()) -> pa.Table:
    """Rejections of one file as a table: source_file, line_number, raw_line, reason."""
    import polars as pl

    from headrace.data.types import conform

    columns = {
        "source_file": pl.Series([file] * len(rejections), dtype=pl.String()),
        "line_number": pl.Series([item.line for item in rejections], dtype=pl.Int64()),
        "raw_line": pl.Series([item.raw[:RAW_LINE_CHARS] for item in rejections], dtype=pl.String()),
        "reason": pl.Series([item.reason for item in rejections], dtype=pl.String()),
    }
    return conform(pl.DataFrame(columns).to_arrow())  # pyarrow.array on a list would import pandas, 0.2 s


def shown(text: str) -> str:
    """A value as a message shows it: its first 60 characters."""
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
