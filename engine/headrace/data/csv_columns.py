"""Well-formed CSV records to typed columns: parsed as their types at once, read value by value where that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headrace.data.csv_lines import CACHED_BYTES
from headrace.data.csv_records import NEWLINE, QUOTE
from headrace.data.csv_values import read_values, times_in_utc
from headrace.data.reading import shown
from headrace.data.types import polars_type

if TYPE_CHECKING:
    import polars as pl

    from headrace.data.sources.csv import CsvSource

NUMBERS = ("int64", "float64")
BLANK, TAB = 32, 9


def parse_columns(body: bytes, header: list[str], source: CsvSource) -> tuple[pl.DataFrame, dict[int, str]]:
    """The declared columns of records that are known to have one field a name of the header.

    What stands for a missing value is null. A value that does not read as its type leaves null too, and is told.

    Returns:
        the columns, and by row the reason why it does not parse.
    """
    import polars as pl

    if not body:
        return pl.DataFrame(schema={name: polars_type(dtype) for name, dtype in source.columns.items()}), {}
    typed = _at_once(body, header, source)
    return (typed, {}) if typed is not None else _one_by_one(_scan(body, header, source, {}), source)


def _at_once(body: bytes, header: list[str], source: CsvSource) -> pl.DataFrame | None:
    """Every value read as its type by the parser itself; None where one does not read, or may mean something else.

    The parser takes blanks alone for a missing number and digits beyond float64 for infinity: columns where that may
    have happened need the closer look.
    """
    import polars as pl

    if "" not in source.null_values:
        return None  # the parser takes nothing at all for a missing number
    numbers = {name: polars_type(dtype) for name, dtype in source.columns.items() if dtype in NUMBERS}
    try:
        frame = _scan(body, header, source, numbers)
    except pl.exceptions.ComputeError:
        return None
    gaps = any(frame.get_column(name).null_count() for name in numbers)
    if gaps and _has_blank_fields(body, source.separator):
        return None
    columns = []
    for name, dtype in source.columns.items():
        values = _certain(frame.get_column(name), dtype)
        if values is None:
            return None
        columns.append(values.alias(name))
    return pl.DataFrame(columns)


def _certain(values: pl.Series, dtype: str) -> pl.Series | None:
    """A column that the parser read, as its type; None where a value may mean something else."""
    if dtype == "timestamp":
        return times_in_utc(values)
    if dtype == "bool":
        read, failed = read_values(values, dtype)
        return None if failed.any() else read
    return None if dtype == "float64" and values.is_infinite().any() else values


def _one_by_one(texts: pl.DataFrame, source: CsvSource) -> tuple[pl.DataFrame, dict[int, str]]:
    """Columns as their declared types, and the rows with a text that does not read, with the first reason."""
    import polars as pl

    columns, reasons = [], dict[int, str]()
    for name, dtype in source.columns.items():
        column = texts.get_column(name)
        values, failed = read_values(column, dtype)
        columns.append(values.alias(name))
        for row in failed.arg_true().to_list() if failed.any() else ():
            zone = ", with Z or an offset" if dtype == "timestamp" else ""
            reasons.setdefault(row, f"column '{name}': '{shown(column[row])}' is not {dtype}{zone}")
    return pl.DataFrame(columns), reasons


def _scan(body: bytes, header: list[str], source: CsvSource, types: dict[str, pl.DataType]) -> pl.DataFrame:
    """The declared columns; those without a type as texts."""
    import polars as pl

    return (
        pl.scan_csv(
            body,
            has_header=False,
            schema={name: types.get(name, pl.String()) for name in header},
            null_values=list(source.null_values) or None,
            empty_string_is_null="" in source.null_values,
            separator=source.separator,
        )
        .select(list(source.columns))
        .collect()
    )


def _has_blank_fields(body: bytes, separator: str) -> bool:
    """Whether a field begins with a blank, so that it may hold nothing else."""
    if b" " not in body and b"\t" not in body:
        return False
    data = np.frombuffer(body, np.uint8)
    for begin in range(0, len(data), CACHED_BYTES):
        block = data[begin : begin + CACHED_BYTES]
        before = data[np.flatnonzero((block == BLANK) | (block == TAB)) + begin - 1]
        if ((before == ord(separator)) | (before == NEWLINE) | (before == QUOTE)).any() or data[0] in (BLANK, TAB):
            return True
    return False
