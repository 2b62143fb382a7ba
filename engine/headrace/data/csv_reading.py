"""CSV text to typed columns; rows that do not parse are set aside with line number, text and reason."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headrace.core.errors import SourceError, did_you_mean
from headrace.data.csv_records import Records, split_records
from headrace.data.sources import CsvSource
from headrace.data.types import conform

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

UTF8_MARK = b"\xef\xbb\xbf"
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
RAW_LINE_CHARS = 4_096
SHOWN_CHARS = 60


@dataclass(frozen=True)
class CsvRead:
    """A file's rows, typed or set aside.

    Attributes:
        frame: the declared columns (and the line column, where asked for), rows that parsed, in file order.
        rejected: source_file string, line_number int64, raw_line string (its first 4,096 characters), reason string.
        rows: how many records the file holds, without the header.
    """

    frame: pl.DataFrame
    rejected: pa.Table
    rows: int


def read_csv(source: CsvSource) -> CsvRead:
    """Read a source's file.

    Raises:
        SourceError: missing, unreadable or empty file, not UTF-8, a header that repeats a name or lacks a declared
            column, or rows of which none parses.
    """
    path = source.locate()
    text = source.read_bytes().removeprefix(UTF8_MARK)
    if text.startswith(WIDE_MARKS):
        raise SourceError(f"{path} is UTF-16; a CSV source is UTF-8", hint="save the file as UTF-8")
    try:
        records = split_records(text, ord(source.separator))
    except SourceError as error:
        raise SourceError(f"{path}: {error.message}", hint=error.hint) from error
    header = _header(text, records, source, path)
    reasons = _malformed(text, records)
    whole = np.ones(len(records.starts), bool)
    whole[[0, *reasons]] = False
    kept = np.flatnonzero(whole)
    frame = _texts(text, records, kept, header, source)
    typed, failures = _typed(frame, source)
    parsed = np.ones(len(kept), bool)
    parsed[list(failures)] = False
    reasons |= {int(kept[row]): reason for row, reason in failures.items()}
    if reasons and not parsed.any():
        first = min(reasons)
        raise SourceError(
            f"no row of {path} parses; line {records.lines[first]}: {reasons[first]}",
            hint="compare the declared columns, null_values and separator with the file",
        )
    if source.line_column is not None:
        typed = typed.with_columns(_series(source.line_column, records.lines[kept]))
    frame = typed if parsed.all() else typed.filter(_series("parsed", parsed))
    return CsvRead(frame, _rejected(path, text, records, reasons), len(records.starts) - 1)


def _series(name: str, values: np.ndarray[tuple[int], np.dtype[np.generic]]) -> pl.Series:
    import polars as pl

    return pl.Series(name, values)


def _header(text: bytes, records: Records, source: CsvSource, path: Path) -> list[str]:
    """Column names of the first record, checked against the declared ones."""
    declared = list(source.columns)
    if not len(records.starts):
        raise SourceError(f"{path} is empty; its first line must name the columns: {', '.join(declared)}")
    if records.stray[0]:
        raise SourceError(
            f'{path}: the header holds a quote that neither encloses a name nor is doubled ("") inside one'
        )
    raw = text[records.starts[0] : records.ends[0]]
    try:
        names = next(csv.reader([raw.decode()], delimiter=source.separator))
    except (UnicodeDecodeError, csv.Error) as error:
        advice = "lines end with LF or CRLF; CR alone ends no line" if b"\r" in raw else "save the file as UTF-8"
        raise SourceError(f"{path}: the header cannot be read: {error}", hint=advice) from error
    names = [name.strip() for name in names]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        places = ", ".join(str(place) for place, name in enumerate(names, start=1) if name == repeated[0])
        raise SourceError(f"{path}: the header names column '{repeated[0]}' more than once (columns {places})")
    for name in declared:
        if name not in names:
            hint = did_you_mean(name, names)
            if len(names) == 1 and hint is None:
                hint = f"is the separator {source.separator!r}?"
            raise SourceError(f"{path} has no column '{name}'; its columns are: {', '.join(names)}", hint=hint)
    return names


def _malformed(text: bytes, records: Records) -> dict[int, str]:
    """Records that cannot be told apart into as many fields as the header has, and why; by index, header excluded."""
    expected = int(records.fields[0])
    reasons = {}
    for index in np.flatnonzero(records.fields != expected).tolist():
        count = int(records.fields[index])
        reasons[index] = f"{count} field{'' if count == 1 else 's'}, the header names {expected}"
    for index in np.flatnonzero(records.stray).tolist():
        reasons[index] = 'a quote neither encloses a field nor is doubled ("") inside one'
    for index in _not_utf8(text, records):
        reasons[index] = "not UTF-8"
    reasons.pop(0, None)
    return reasons


def _not_utf8(text: bytes, records: Records) -> list[int]:
    try:
        text.decode()
    except UnicodeDecodeError:
        pass
    else:
        return []
    wide = np.flatnonzero(np.frombuffer(text, np.uint8) >= 0x80)  # beyond ASCII
    bad = []
    for index in np.unique(np.searchsorted(records.starts, wide, side="right") - 1):
        try:
            text[records.starts[index] : records.ends[index]].decode()
        except UnicodeDecodeError:
            bad.append(int(index))
    return bad


def _texts(
    text: bytes, records: Records, kept: np.ndarray[tuple[int], np.dtype[np.intp]], header: list[str], source: CsvSource
) -> pl.DataFrame:
    """The declared columns of the kept records as strings; what stands for a missing value is null."""
    import polars as pl

    declared = list(source.columns)
    if not len(kept):
        return pl.DataFrame(schema=dict.fromkeys(declared, pl.String()))
    if len(kept) == len(records.starts) - 1 and not records.blank:
        body = text[records.starts[1] :]
    else:
        body = b"\n".join(text[records.starts[index] : records.ends[index]] for index in kept)
    frame = pl.read_csv(
        body,
        has_header=False,
        new_columns=header,
        infer_schema=False,
        null_values=list(source.null_values) or None,
        empty_string_is_null="" in source.null_values,
        separator=source.separator,
    ).select(declared)
    assert frame.height == len(kept), f"the splitter found {len(kept)} records, the parser {frame.height}"
    return frame


def _typed(frame: pl.DataFrame, source: CsvSource) -> tuple[pl.DataFrame, dict[int, str]]:
    """Columns as their declared types, and the rows with a text that does not read, with the first reason."""
    import polars as pl

    from headrace.data.csv_values import read_values

    columns, reasons = [], dict[int, str]()
    for name, dtype in source.columns.items():
        texts = frame.get_column(name)
        values, failed = read_values(texts, dtype)
        columns.append(values.alias(name))
        for row in failed.arg_true().to_list() if failed.any() else ():
            shown = texts[row] if len(texts[row]) <= SHOWN_CHARS else f"{texts[row][:SHOWN_CHARS]}..."
            zone = ", with Z or an offset" if dtype == "timestamp" else ""
            reasons.setdefault(row, f"column '{name}': '{shown}' is not {dtype}{zone}")
    return pl.DataFrame(columns), reasons


def _rejected(path: Path, text: bytes, records: Records, reasons: dict[int, str]) -> pa.Table:
    import polars as pl

    rows = sorted(reasons)
    raws = [text[records.starts[row] : records.ends[row]].decode(errors="replace")[:RAW_LINE_CHARS] for row in rows]
    columns = {
        "source_file": pl.Series([str(path)] * len(rows), dtype=pl.String()),
        "line_number": pl.Series([int(records.lines[row]) for row in rows], dtype=pl.Int64()),
        "raw_line": pl.Series(raws, dtype=pl.String()),
        "reason": pl.Series([reasons[row] for row in rows], dtype=pl.String()),
    }
    return conform(pl.DataFrame(columns).to_arrow())  # pyarrow.array on a list would import pandas, 0.2 s
