"""JSON lines (ndjson): one object a line; a line that does not read is set aside, all others stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from headrace.core.errors import DefinitionError, SourceError, did_you_mean
from headrace.data.reading import BATCH_BYTES, Part, Rejection, rejected_table
from headrace.data.sources.files import FileSource, Location
from headrace.data.sources.json_rows import Rows, read_lines
from headrace.data.sources.streams import ByteStream, open_bytes
from headrace.data.types import check_dtype

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

    from headrace.data.sources.csv import Prepare

LINE_BYTES_MAX = 64 << 20
UTF8_MARK = b"\xef\xbb\xbf"
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class JsonLinesSource(FileSource):
    """Files of JSON lines in UTF-8, plain or packed as a `CsvSource` may be.

    A key that a line lacks is a missing value; a declared column that no line of a file names is an error. A value of
    another JSON type than its column's sends its line to quarantine, as what is no JSON object does.

    Attributes:
        path: a file, a glob, a URI, several of them, or a function that finds the file when it is read.
        columns: types of the columns that are read, by key. `timestamp` is ISO 8601 text with a zone.
        prepare: from the columns as declared to the table's columns, as in `CsvSource`.
        filesystem: an Arrow file system to look in; None is the local disk, or what a URI names.

    Raises:
        DefinitionError: no columns, or an unknown type.
    """

    path: Location
    columns: Mapping[str, str]
    prepare: Prepare | None = field(default=None, kw_only=True)
    filesystem: FileSystem | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not self.columns:
            raise DefinitionError("a JsonLinesSource needs the types of its columns: columns={'name': 'int64'}")
        for name, dtype in self.columns.items():
            check_dtype(dtype, where=f"JsonLinesSource column '{name}'")

    def parts(self, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Part]:
        """Read the files one after the other, `batch_bytes` of text at a time.

        Raises:
            SourceError: missing, unreadable, damaged or empty file, a file of which no line reads or no line names a
                declared column, or a line of more than 64 MiB.
        """
        for file in self.files():
            with open_bytes(file) as stream:
                yield from _FileReader(self, stream, batch_bytes).parts()


class _FileReader:
    """Reads one file once."""

    def __init__(self, source: JsonLinesSource, stream: ByteStream, batch_bytes: int) -> None:
        self._source = source
        self._stream = stream
        self._batch_bytes = batch_bytes
        self._given_bytes = 0
        self._seen: set[str] = set()
        self._keys: set[str] = set()

    def parts(self) -> Iterator[Part]:
        name = self._stream.name
        start = self._stream.peek(len(UTF8_MARK))
        if start.startswith(WIDE_MARKS):
            raise SourceError(f"{name} is UTF-16; JSON lines are UTF-8", hint="save the file as UTF-8")
        if start == UTF8_MARK:
            self._stream.read(len(UTF8_MARK))
        read = parsed = 0
        first: Rejection | None = None
        for text, line in self._texts():
            rows = read_lines(text, self._source.columns, line)
            self._note_keys(text, rows)
            count = rows.table.num_rows + len(rows.rejections)
            read, parsed = read + count, parsed + rows.table.num_rows
            first = first or next(iter(rows.rejections), None)
            if count:
                yield self._part(rows, count)
        if first is not None and not parsed:
            raise SourceError(f"no line of {name} reads; line {first.line}: {first.reason}")
        if not read:
            raise SourceError(f"{name} is empty; each line holds one JSON object")
        for column in self._source.columns:
            if column not in self._seen:
                hint = did_you_mean(column, self._keys)
                raise SourceError(
                    f"no line of {name} names column '{column}'; its first lines name: {', '.join(sorted(self._keys))}",
                    hint=hint,
                )

    def _texts(self) -> Iterator[tuple[bytes, int]]:
        """Whole lines, and the number of the first of them."""
        held, line, ended = b"", 1, False
        while not ended:
            fresh = self._stream.read(self._batch_bytes)
            ended = len(fresh) < self._batch_bytes
            text = held + fresh if held else fresh
            end = len(text) if ended else text.rfind(b"\n") + 1
            text, held = text[:end], text[end:]
            if len(held) > LINE_BYTES_MAX:
                number = line + text.count(b"\n")
                raise SourceError(f"{self._stream.name}: line {number:,} is longer than {LINE_BYTES_MAX >> 20} MiB")
            if text:
                yield text, line
                line += text.count(b"\n")

    def _note_keys(self, text: bytes, rows: Rows) -> None:
        """Remember which columns some line named."""
        import json

        for column in set(self._source.columns) - self._seen:
            if rows.table.column(column).null_count < rows.table.num_rows or json.dumps(column).encode() in text:
                self._seen.add(column)
        if not self._keys and rows.first is not None:
            self._keys.update(rows.first)

    def _part(self, rows: Rows, count: int) -> Part:
        position = self._stream.position()
        taken, self._given_bytes = position - self._given_bytes, position
        rejected = rejected_table(self._stream.name, rows.rejections)
        return Part(rows.table, rejected, count, self._stream.name, np.asarray(rows.lines, np.int64), taken)
