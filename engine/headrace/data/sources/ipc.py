"""Arrow IPC: files and streams, told apart by their first bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.core.errors import SourceError
from headrace.data.reading import BATCH_BYTES, Part
from headrace.data.sources.arrow_columns import arrow_parts, check_columns, wanted_columns
from headrace.data.sources.files import FileSource, Location, SourceFile
from headrace.data.sources.streams import ByteStream, open_bytes

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    from headrace.data.sources.csv import Prepare

FILE_MAGIC = b"ARROW1"
FILE_START_BYTES = 8
END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


@dataclass(frozen=True)
class ArrowSource(FileSource):
    """Arrow IPC files (Feather 2) and streams, plain or packed.

    Attributes:
        path: a file, a glob, a URI, several of them, or a function that finds the file when it is read.
        columns: types of the columns that are read, by name; None reads all.
        prepare: from the columns as declared to the table's columns, as in `CsvSource`.
        filesystem: an Arrow file system to look in; None is the local disk, or what a URI names.

    Raises:
        DefinitionError: an unknown type.
    """

    path: Location
    columns: Mapping[str, str] | None = None
    prepare: Prepare | None = field(default=None, kw_only=True)
    filesystem: FileSystem | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_columns(self.columns, where="ArrowSource")

    def parts(self, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Part]:
        """Read the files one after the other, record batch by record batch.

        Raises:
            SourceError: missing, unreadable, damaged or half-written file, named with the record batch; columns that
                are not as declared.
        """
        for file in self.files():
            with open_bytes(file) as stream:
                start = stream.peek(len(FILE_MAGIC))
                if start == FILE_MAGIC and not stream.packed:
                    yield from self._file_parts(file, batch_bytes)
                else:
                    yield from self._stream_parts(stream, batch_bytes)

    def _file_parts(self, file: SourceFile, batch_bytes: int) -> Iterator[Part]:
        import pyarrow as pa

        with _told(file.name), file.open() as handle:
            opened = pa.ipc.open_file(handle)
            wanted = wanted_columns(opened.schema, self.columns, file.name)
            if len(wanted) < len(opened.schema):
                places = [opened.schema.get_field_index(name) for name in wanted]
                options = pa.ipc.IpcReadOptions(included_fields=places)
                handle.seek(0)
                opened = pa.ipc.open_file(handle, options=options)
            batches = _numbered((opened.get_batch(place) for place in range(opened.num_record_batches)), file.name)
            yield from arrow_parts(batches, opened.schema, self.columns, file.name, batch_bytes)

    def _stream_parts(self, stream: ByteStream, batch_bytes: int) -> Iterator[Part]:
        import pyarrow as pa

        if stream.peek(len(FILE_MAGIC)) == FILE_MAGIC:
            stream.read(FILE_START_BYTES)  # behind it a file is a stream
        tail = _Tail(stream)
        with _told(stream.name):
            opened = pa.ipc.open_stream(pa.PythonFile(tail, mode="r"))
            batches = _numbered(opened, stream.name)
            yield from arrow_parts(batches, opened.schema, self.columns, stream.name, batch_bytes)
        if tail.last != END_OF_STREAM:
            raise SourceError(
                f"{stream.name} ends without the mark of a stream's end: it is half-written or cut short",
                hint="close the writer of the file, or fetch it again",
            )


class _Tail:
    """A stream that remembers the last bytes it gave; Arrow takes a stream that just stops for a whole one."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.last = b""
        self.closed = False

    def read(self, count: int = -1) -> bytes:
        assert count >= 0, "Arrow says how much it reads"
        data = self._stream.read(count)
        self.last = (self.last + data[-len(END_OF_STREAM) :])[-len(END_OF_STREAM) :]
        return data

    def close(self) -> None:
        self.closed = True


def _numbered(batches: Any, name: str) -> Iterator[pa.RecordBatch]:
    """Record batches; one that does not read is told with its number."""
    import pyarrow as pa

    number, iterator = 0, iter(batches)
    while True:
        number += 1
        try:
            batch = next(iterator)
            batch.validate()
        except StopIteration:
            return
        except (OSError, pa.ArrowException) as error:
            raise SourceError(
                f"{name}: record batch {number} cannot be read: {error}", hint="the file is damaged: fetch it again"
            ) from error
        yield batch


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say which file it was."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise SourceError(
            f"{name} is no whole Arrow IPC file: {error}", hint="it may be half-written or damaged"
        ) from error
