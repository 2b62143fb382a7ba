"""Lines of JSON to typed columns: a block at once where all of it is as declared, line by line where it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.data.csv_lines import is_utf8
from headrace.data.csv_values import read_values
from headrace.data.reading import Rejection, shown
from headrace.data.types import arrow_type, conform, polars_type

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

BLOCK_BYTES = 64 << 10
SPLIT = 16
INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Rows:
    """What some lines hold.

    Attributes:
        table: the declared columns of the lines that read.
        lines: the number of each of them.
        rejections: of the lines that do not; blank lines are neither.
        first: keys of the first line, where lines were read one by one or it is asked for.
    """

    table: pa.Table
    lines: Sequence[int] | NDArray[np.int64]
    rejections: list[Rejection]
    first: Sequence[str] | None = None


def read_lines(text: bytes, columns: Mapping[str, str], first_line: int) -> Rows:
    """Read whole lines.

    Args:
        text: lines in UTF-8, the last one with or without its ending.
        columns: types by key.
        first_line: number of the first line.
    """
    import pyarrow as pa

    table = _at_once(text, columns)
    if table is not None:
        return Rows(table, range(first_line, first_line + table.num_rows), [], _keys(text[: text.find(b"\n") + 1]))
    parts = _split(text)
    if len(text) <= BLOCK_BYTES or len(parts) == 1:
        return _one_by_one(text, columns, first_line)
    pieces, line = [], first_line
    for piece in parts:
        pieces.append(read_lines(piece, columns, line))
        line += piece.count(b"\n")
    return Rows(
        pa.concat_tables([piece.table for piece in pieces]),
        np.concatenate([np.asarray(piece.lines, np.int64) for piece in pieces]),
        [rejection for piece in pieces for rejection in piece.rejections],
        pieces[0].first,
    )


def _split(text: bytes) -> list[bytes]:
    """Sixteen pieces or fewer, of whole lines; one where a line is too long to be cut off."""
    size = max(BLOCK_BYTES, len(text) // SPLIT)
    pieces, start = [], 0
    while start < len(text):
        end = text.find(b"\n", min(start + size, len(text)) - 1) + 1 or len(text)
        pieces.append(text[start:end])
        start = end
    return pieces


def _at_once(text: bytes, columns: Mapping[str, str]) -> pa.Table | None:
    """The columns of lines that are one object each with values as declared; None where that is not certain."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    plain = text.replace(b"\r\n", b"\n") if b"\r" in text else text
    plain = plain if plain.endswith(b"\n") else plain + b"\n"
    count = plain.count(b"\n")
    # Every line begins and ends as an object does: then no object reaches over a line.
    if not (plain.startswith(b"{") and plain.endswith(b"}\n") and plain.count(b"}\n{") == count - 1 and is_utf8(plain)):
        return None
    types = {name: pa.string() if dtype == "timestamp" else arrow_type(dtype) for name, dtype in columns.items()}
    schema = pa.schema(types.items())
    options = arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        table = arrow_json.read_json(
            pa.BufferReader(plain),
            read_options=arrow_json.ReadOptions(block_size=min(len(plain) + 1, 2**31 - 1)),
            parse_options=options,
        )
    except pa.ArrowException:
        return None
    if table.num_rows != count:
        return None
    return _checked(table, columns)


def _checked(table: pa.Table, columns: Mapping[str, str]) -> pa.Table | None:
    """The table with its times read, or None where a value is not what the text said."""
    import polars as pl
    import pyarrow as pa

    arrays = []
    for name, dtype in columns.items():
        column = table.column(name)
        if dtype == "float64" and not pl.Series(column).is_finite().all():
            return None  # digits beyond float64; JSON has no infinity
        if dtype == "timestamp":
            values, failed = read_values(pl.Series(column), dtype)
            if failed.any():
                return None
            column = values.to_arrow()
        arrays.append(column)
    return conform(pa.table(arrays, names=list(columns)))


def _one_by_one(text: bytes, columns: Mapping[str, str], first_line: int) -> Rows:
    import polars as pl

    good: list[dict[str, Any]] = []
    lines: list[int] = []
    rejections: list[Rejection] = []
    first: Sequence[str] | None = None
    for number, raw in enumerate(text.split(b"\n"), start=first_line):
        line = raw.removesuffix(b"\r")
        if not line.strip(b" \t"):
            continue
        found = _object(line)
        reason = found if isinstance(found, str) else _wrong(found, columns)
        if first is None and isinstance(found, dict):
            first = list(found)
        if reason is not None:
            rejections.append(Rejection(number, line.decode(errors="replace"), reason))
        else:
            assert isinstance(found, dict)
            good.append(found)
            lines.append(number)
    series = []
    for name, dtype in columns.items():
        values = [row.get(name) for row in good]
        if dtype == "timestamp":
            read, _ = read_values(pl.Series(values, dtype=pl.String()), dtype)
        else:
            plain = [float(value) if dtype == "float64" and value is not None else value for value in values]
            read = pl.Series(plain, dtype=polars_type(dtype))
        series.append(read.alias(name))
    return Rows(conform(pl.DataFrame(series).to_arrow()), lines, rejections, first)


def _object(line: bytes) -> dict[str, Any] | str:
    """The object on a line, or why there is none."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return found if isinstance(found, dict) else f"not a JSON object but {shown(text)}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key '{next(name for name in names if names.count(name) > 1)}' comes twice")
    return found


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _wrong(row: Mapping[str, Any], columns: Mapping[str, str]) -> str | None:
    """The first value of a row that is not of its column's type, told; None where all are."""
    import polars as pl

    for name, dtype in columns.items():
        value = row.get(name)
        if value is None:
            continue
        fits = {
            "bool": isinstance(value, bool),
            "int64": isinstance(value, int) and not isinstance(value, bool) and value in INT64,
            "float64": isinstance(value, (int, float)) and not isinstance(value, bool) and _is_float(value),
            "string": isinstance(value, str),
            "timestamp": isinstance(value, str),
        }[dtype]
        if fits and dtype == "timestamp":
            fits = not read_values(pl.Series([value], dtype=pl.String()), dtype)[1].any()
        if not fits:
            zone = ", text with Z or an offset" if dtype == "timestamp" else ""
            return f"column '{name}': {shown(json.dumps(value, ensure_ascii=False))} is not {dtype}{zone}"
    return None


def _is_float(value: float) -> bool:
    import math

    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _keys(line: bytes) -> Sequence[str] | None:
    found = _object(line.strip()) if line else None
    return list(found) if isinstance(found, dict) else None
