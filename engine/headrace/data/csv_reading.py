"""CSV text to typed columns; rows that do not parse are set aside with line number, text and reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headrace.core.errors import SourceError, did_you_mean
from headrace.data.csv_chunks import Chunk, CsvText
from headrace.data.csv_columns import parse_columns
from headrace.data.csv_lines import is_utf8
from headrace.data.csv_records import NEWLINE, Records
from headrace.data.reading import BATCH_BYTES, Part, Rejection, rejected_table
from headrace.data.sources.files import SourceFile
from headrace.data.sources.streams import ByteStream, open_bytes
from headrace.data.types import conform

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    from numpy.typing import NDArray

    from headrace.data.sources.csv import CsvSource

UTF8_MARK = b"\xef\xbb\xbf"
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class CsvRead:
    """A source's rows, typed or set aside.

    Attributes:
        frame: the declared columns (and the line column, where asked for), rows that parsed, in file order.
        rejected: source_file string, line_number int64, raw_line string (its first 4,096 characters), reason string.
        rows: how many records the source holds, without the header.
    """

    frame: pl.DataFrame
    rejected: pa.Table
    rows: int


def read_csv(source: CsvSource, *, batch_bytes: int = BATCH_BYTES) -> CsvRead:
    """Read a source whole into memory.

    Raises:
        SourceError: missing, unreadable or empty file, not UTF-8, a header that repeats a name or lacks a declared
            column, or rows of which none parses.
    """
    import polars as pl
    import pyarrow as pa

    parts = list(source.parts(batch_bytes=batch_bytes))
    frame = pl.from_arrow(pa.concat_tables([part.table for part in parts]))
    assert isinstance(frame, pl.DataFrame)
    return CsvRead(frame, pa.concat_tables([part.rejected for part in parts]), sum(part.rows for part in parts))


def csv_parts(source: CsvSource, file: SourceFile, batch_bytes: int) -> Iterator[Part]:
    """Read one file piece by piece; at least one piece comes.

    Raises:
        SourceError: as `read_csv`; that no row parses is known, and told, at the end of the file.
    """
    with open_bytes(file) as stream:
        yield from _FileReader(source, stream, batch_bytes).parts()


class _FileReader:
    """Reads one file once."""

    def __init__(self, source: CsvSource, stream: ByteStream, batch_bytes: int) -> None:
        self._source = source
        self._stream = stream
        self._batch_bytes = batch_bytes
        self._text = CsvText(stream.read, source.separator)
        self._given_bytes = 0
        self._header: list[str] = []

    def parts(self) -> Iterator[Part]:
        self._read_header()
        read = parsed = 0
        first: Rejection | None = None
        for chunk in self._chunks():
            frame, lines, rejections = self._rows(chunk)
            read += chunk.count
            parsed += frame.height
            first = first or next(iter(rejections), None)
            yield self._part(frame, lines, rejections, chunk.count)
        if first is not None and not parsed:
            raise SourceError(
                f"no row of {self._stream.name} parses; line {first.line}: {first.reason}",
                hint="compare the declared columns, null_values and separator with the file",
            )
        if not read:
            frame, _ = parse_columns(b"", self._header, self._source)
            yield self._part(frame, np.empty(0, np.int64), [], 0)

    def _chunks(self) -> Iterator[Chunk]:
        try:
            yield from self._text.chunks(self._batch_bytes)
        except SourceError as error:
            raise self._named(error) from error

    def _named(self, error: SourceError) -> SourceError:
        name = self._stream.name
        told = error.message.startswith(name)
        return error if told else SourceError(f"{name}: {error.message}", hint=error.hint)

    def _read_header(self) -> None:
        """Column names of the first record, checked against the declared ones."""
        declared, path = list(self._source.columns), self._stream.name
        start = self._text.start()
        if start.startswith(WIDE_MARKS):
            raise SourceError(f"{path} is UTF-16; a CSV source is UTF-8", hint="save the file as UTF-8")
        if start.startswith(UTF8_MARK):
            self._text.skip(len(UTF8_MARK))
        try:
            header = self._text.header()
        except SourceError as error:
            raise self._named(error) from error
        if header is None:
            raise SourceError(f"{path} is empty; its first line must name the columns: {', '.join(declared)}")
        names = self._header = header.names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            places = ", ".join(str(place) for place, name in enumerate(names, start=1) if name == repeated[0])
            raise SourceError(f"{path}: the header names column '{repeated[0]}' more than once (columns {places})")
        for name in declared:
            if name not in names:
                hint = did_you_mean(name, names)
                if len(names) == 1 and hint is None:
                    hint = f"is the separator {self._source.separator!r}?"
                raise SourceError(f"{path} has no column '{name}'; its columns are: {', '.join(names)}", hint=hint)

    def _rows(self, chunk: Chunk) -> tuple[pl.DataFrame, NDArray[np.int64], list[Rejection]]:
        """A chunk's rows that parse, the line of each, and the records that do not."""
        records = chunk.records
        if records is None:
            body, lines = chunk.text, np.arange(chunk.first_line, chunk.first_line + chunk.count, dtype=np.int64)
            kept = None
            reasons: dict[int, str] = {}
        else:
            reasons = _malformed(chunk.text, records, len(self._header))
            kept = np.delete(np.arange(chunk.count), list(reasons))
            body, lines = _well_formed(chunk.text, records, kept), records.lines[kept]
        frame, failures = parse_columns(body, self._header, self._source)
        assert frame.height == len(lines), f"the splitter found {len(lines)} records, the parser {frame.height}"
        if not failures and not reasons:
            return frame, lines, []
        rows = {int(kept[row] if kept is not None else row): reason for row, reason in failures.items()}
        parsed = np.ones(len(lines), bool)
        parsed[list(failures)] = False
        rejections = _rejections(chunk, reasons | rows)
        return frame.filter(_series("parsed", parsed)), lines[parsed], rejections

    def _part(self, frame: pl.DataFrame, lines: NDArray[np.int64], rejections: list[Rejection], rows: int) -> Part:
        if self._source.line_column is not None:
            frame = frame.with_columns(_series(self._source.line_column, lines))
        position = self._stream.position()
        taken, self._given_bytes = position - self._given_bytes, position
        rejected = rejected_table(self._stream.name, rejections)
        return Part(conform(frame.to_arrow()), rejected, rows, self._stream.name, lines, taken)


def _series(name: str, values: np.ndarray[tuple[int], np.dtype[np.generic]]) -> pl.Series:
    import polars as pl

    return pl.Series(name, values)


def _malformed(text: bytes, records: Records, expected: int) -> dict[int, str]:
    """Records that cannot be told apart into as many fields as the header has, and why; by index."""
    reasons = {}
    for index in np.flatnonzero(records.fields != expected).tolist():
        count = int(records.fields[index])
        reasons[index] = f"{count} field{'' if count == 1 else 's'}, the header names {expected}"
    for index in np.flatnonzero(records.stray).tolist():
        reasons[index] = 'a quote neither encloses a field nor is doubled ("") inside one'
    for index in _not_utf8(text, records):
        reasons[index] = "not UTF-8"
    return reasons


def _not_utf8(text: bytes, records: Records) -> list[int]:
    if is_utf8(text):
        return []
    wide = np.flatnonzero(np.frombuffer(text, np.uint8) >= 0x80)  # beyond ASCII
    bad = []
    for index in np.unique(np.searchsorted(records.starts, wide, side="right") - 1):
        try:
            text[records.starts[index] : records.ends[index]].decode()
        except UnicodeDecodeError:
            bad.append(int(index))
    return bad


def _well_formed(text: bytes, records: Records, kept: NDArray[np.intp]) -> bytes:
    """The text of the kept records alone."""
    if len(kept) == len(records.starts) and not records.blank:
        return text
    # CRLF: the CR that ends a field must not be taken for the line's
    return b"".join(text[records.starts[index] : records.ends[index]] + b"\r\n" for index in kept)


def _rejections(chunk: Chunk, reasons: dict[int, str]) -> list[Rejection]:
    """The set-aside records of a chunk, in its order."""
    records, rows = chunk.records, sorted(reasons)
    if records is None:
        breaks = np.flatnonzero(np.frombuffer(chunk.text, np.uint8) == NEWLINE)
        crlf = chunk.text.endswith(b"\r\n")  # then every line of the chunk ends so
        spans = [(0 if row == 0 else int(breaks[row - 1]) + 1, int(breaks[row]) - crlf) for row in rows]
        lines = [chunk.first_line + row for row in rows]
    else:
        spans = [(int(records.starts[row]), int(records.ends[row])) for row in rows]
        lines = [int(records.lines[row]) for row in rows]
    raws = [chunk.text[start:end].decode(errors="replace") for start, end in spans]
    return [Rejection(line, raw, reasons[row]) for line, raw, row in zip(lines, raws, rows, strict=True)]
