"""Rows as 128-bit hashes: which rows of one table another one does not have, in 24 bytes a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa

    Rows = np.ndarray[Any, np.dtype[np.int64]]


def row_hashes(tables: Iterable[pa.Table], columns: Sequence[str], name: str = "row") -> pl.DataFrame:
    """Hash some columns of every row.

    Null, NaN and values differ from each other; all NaNs are one value, and so are 0.0 and -0.0. Comparable within one
    process. Two rows that differ have the same hash with a chance of 2^-128.

    Returns:
        `{name}_low` and `{name}_high`, uint64[n_rows].
    """
    import polars as pl

    low, high = f"{name}_low", f"{name}_high"
    frames = [pl.DataFrame(schema={low: pl.UInt64, high: pl.UInt64})]
    for table in tables:
        frame = pl.from_arrow(table.select(list(columns)))
        assert isinstance(frame, pl.DataFrame)
        frames.append(pl.DataFrame({low: frame.hash_rows(1), high: frame.hash_rows(2)}))
    return pl.concat(frames)


def multiset_difference(before: pl.DataFrame, after: pl.DataFrame) -> tuple[Rows, Rows]:
    """Rows of `before` that `after` lacks, and the other way round, as row numbers, rising.

    A row that comes three times in one and twice in the other is there once too often.
    """
    return _only(before, after), _only(after, before)


def _only(these: pl.DataFrame, others: pl.DataFrame) -> Rows:
    import polars as pl

    def numbered(frame: pl.DataFrame) -> pl.DataFrame:
        columns = frame.columns
        return frame.with_row_index("at").with_columns(pl.int_range(pl.len()).over(columns).alias("occurrence"))

    on = [*these.columns, "occurrence"]
    found = numbered(these).join(numbered(others), on=on, how="anti").get_column("at")
    return found.cast(pl.Int64).sort().to_numpy()


def rows_at(tables: Iterable[pa.Table], rows: Rows) -> Iterable[pa.Table]:
    """The rows with these rising numbers, table by table."""
    import numpy as np
    import polars as pl

    begin = 0
    for table in tables:
        first, last = np.searchsorted(rows, [begin, begin + table.num_rows])
        if first < last:
            yield table.take(pl.Series(rows[first:last] - begin).to_arrow())
        begin += table.num_rows
