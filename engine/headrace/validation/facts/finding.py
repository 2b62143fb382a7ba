"""All facts of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.validation.anomalies.duplicates import duplicated_blocks, repeated_rows
from headrace.validation.facts.local_clocks import local_clocks
from headrace.validation.facts.missing import missing_values
from headrace.validation.findings import Finding

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


def find_facts(table: pa.Table | pl.DataFrame, *, row_numbers: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    """Find what a table shows by itself.

    Args:
        table: any rows, in the order of its source.
        row_numbers: columns that number rows, which repeated rows are looked for without.
    """
    import polars as pl

    frame = table if isinstance(table, pl.DataFrame) else pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    if not frame.height:
        return ()
    blocks = list(duplicated_blocks(frame, row_numbers))
    return (*missing_values(frame), *local_clocks(frame), *_constant(frame), *(blocks or _repeated(frame, row_numbers)))


def _constant(frame: pl.DataFrame) -> list[Finding]:
    if frame.height < 2:
        return []
    found = []
    for name in frame.columns:
        values = frame.get_column(name)
        if values.null_count() == frame.height:
            found.append(Finding("constant", name, f"{name}: none of the {frame.height:,} rows has a value"))
        elif values.null_count() == 0 and values.n_unique() == 1:
            found.append(
                Finding("constant", name, f"{name}: all {frame.height:,} rows have the same value, {values[0]!r}")
            )
    return found


def _repeated(frame: pl.DataFrame, row_numbers: tuple[str, ...]) -> list[Finding]:
    rows = int(repeated_rows(frame.drop(row_numbers, strict=False)).sum() or 0)
    if not rows:
        return []
    share = rows / frame.height
    message = f"{rows:,} of {frame.height:,} rows ({share:.2%}) are equal to an earlier row in every column"
    return [Finding("duplicated_rows", "", message, 1.0, None, {"rows": rows, "total": frame.height})]
