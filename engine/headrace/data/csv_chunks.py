"""A CSV text in pieces that end where records end, in bounded memory whatever the file's size."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from headrace.core.errors import SourceError
from headrace.data.csv_lines import count_plain_lines
from headrace.data.csv_records import STRAY_QUOTES_MAX, Records, split_records

RECORD_BYTES_MAX = 64 << 20
HEADER_BYTES = 64 << 10


@dataclass(frozen=True)
class Chunk:
    """Whole records of a text.

    Attributes:
        text: their bytes.
        records: where each begins and ends; None where every line is a plain record (`headrace.data.csv_lines`).
        first_line: number of the text's first line.
        count: number of records.
    """

    text: bytes
    records: Records | None
    first_line: int
    count: int


@dataclass(frozen=True)
class Header:
    """The first record of a text.

    Attributes:
        names: of the columns, blanks around them removed.
        lines: how many lines there are up to its end.
        raw: its bytes.
    """

    names: list[str]
    lines: int
    raw: bytes


class CsvText:
    """Cuts what `read` gives into a header and chunks of whole records.

    Invariant: `_held` begins where a record begins, on line `_line`.
    """

    def __init__(self, read: Callable[[int], bytes], separator: str) -> None:
        self._read = read
        self._separator = separator
        self._held = b""
        self._line = 1
        self._ended = False
        self._stray_left = STRAY_QUOTES_MAX

    def start(self) -> bytes:
        """The first bytes, kept for `header`: whoever looks for marks of an encoding finds them here."""
        self._fill(HEADER_BYTES)
        return self._held

    def skip(self, count: int) -> None:
        """Drop the first bytes."""
        self._held = self._held[count:]

    def header(self) -> Header | None:
        """Take the first record; None where there is none.

        Raises:
            SourceError: a stray quote, not UTF-8, or no record that ends within 64 MiB.
        """
        size = HEADER_BYTES
        while True:
            self._fill(size)
            end = len(self._held) if self._ended else self._held.rfind(b"\n") + 1
            records = split_records(self._held[:end], ord(self._separator), goes_on=not self._ended)
            if len(records.starts):
                return self._header(records)
            if self._ended:
                return None
            if size > RECORD_BYTES_MAX:
                raise SourceError("the header does not end within 64 MiB", hint="is this a CSV file?")
            size *= 2

    def chunks(self, batch_bytes: int) -> Iterator[Chunk]:
        """The records behind the header.

        A quoted field longer than 64 MiB counts as a stray quote, or two lengths of memory would not be enough.

        Raises:
            SourceError: a line of more than 64 MiB, or more than 1,000 lines with stray quotes.
        """
        size = batch_bytes
        while not self._ended or self._held:
            self._fill(size)
            stuck = len(self._held) >= max(RECORD_BYTES_MAX, batch_bytes)
            chunk = self._chunk(gives_up=stuck)
            if chunk is None and stuck:
                raise SourceError(
                    f"line {self._line:,} is longer than {RECORD_BYTES_MAX >> 20} MiB",
                    hint="is this a CSV file? lines end with LF or CRLF",
                )
            size = batch_bytes if chunk is not None else 2 * max(size, len(self._held))
            if chunk is not None and chunk.count:
                yield chunk

    def _fill(self, size: int) -> None:
        """Hold that many bytes, or all that are left."""
        missing = size - len(self._held)
        if missing > 0 and not self._ended:
            fresh = self._read(missing)
            self._ended = len(fresh) < missing
            self._held = self._held + fresh if self._held else fresh

    def _header(self, records: Records) -> Header:
        if records.stray[0]:
            raise SourceError('the header holds a quote that neither encloses a name nor is doubled ("") inside one')
        end = int(records.ends[0])
        raw = self._held[records.starts[0] : end]
        try:
            names = next(csv.reader([raw.decode()], delimiter=self._separator))
        except (UnicodeDecodeError, csv.Error) as error:
            advice = "lines end with LF or CRLF; CR alone ends no line" if b"\r" in raw else "save the file as UTF-8"
            raise SourceError(f"the header cannot be read: {error}", hint=advice) from error
        behind = self._held.find(b"\n", end) + 1 or len(self._held)
        lines = self._held.count(b"\n", 0, behind)
        self._held = self._held[behind:]
        self._line += lines
        self._width = int(records.fields[0])
        return Header([name.strip() for name in names], lines, raw)

    def _chunk(self, *, gives_up: bool) -> Chunk | None:
        """Take the whole records that are held; None where there is none."""
        text = self._held
        end = len(text) if self._ended else text.rfind(b"\n") + 1
        if end == 0 and text:
            return None
        text = text[:end]
        if self._ended and text and not text.endswith((b"\n", b"\r")):
            text += b"\n"  # so that a last line without an ending costs no closer look
        records = None
        count = count_plain_lines(text, ord(self._separator), self._width)
        if count is None:
            records = split_records(
                text,
                ord(self._separator),
                goes_on=not self._ended and not gives_up,
                first_line=self._line,
                stray_max=self._stray_left,
            )
            count = len(records.starts)
            self._stray_left -= int(np.count_nonzero(records.stray))
            if records.pending is not None:
                text = text[: records.pending]
                if not text:
                    return None
        chunk = Chunk(text, records, self._line, count)
        self._line += text.count(b"\n") if records is not None else count
        self._held = self._held[len(text) :]
        return chunk
