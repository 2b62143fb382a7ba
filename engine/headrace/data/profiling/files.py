"""Files as batches with the types they have, or, where they have none (CSV), with types found while they are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import SourceError
from headrace.core.progress import Progress, SilentProgress
from headrace.data.profiling.profiler import BLOCK_ROWS, Profiler
from headrace.data.profiling.result import Profile

if TYPE_CHECKING:
    import pyarrow as pa

CSV_BLOCK_BYTES = 16 << 20
_ARROW = (".arrow", ".arrows", ".feather", ".ipc")
_CSV = (".csv", ".tsv", ".txt")
_COMPRESSED = (".gz", ".zst", ".bz2", ".lz4")
_BAD_VALUE = re.compile(r"In CSV column #(\d+): (.*)", re.DOTALL)


class _UntypedError(Exception):
    """A CSV value is not what the first block said its column is."""

    def __init__(self, column: int, reason: str) -> None:
        super().__init__(reason)
        self.column = column


@dataclass
class FileProfile:
    """A file's profile, and what was learned about its types.

    Attributes:
        notes: columns of a CSV file that are read as text, because a value is not what the first block promised.
    """

    profile: Profile
    notes: tuple[str, ...] = ()


def is_file(text: str) -> bool:
    """Whether a name on a command line means a file, and not a table."""
    path = Path(text)
    return path.exists() or "/" in text or _suffix(path) in (".parquet", *_ARROW, *_CSV)


def profile_file(path: Path, *, threads: int | None = None, progress: Progress | None = None) -> FileProfile:
    """Profile a Parquet, Arrow or CSV file, or a folder of Parquet files with one schema, in bounded memory.

    CSV: comma-separated (.tsv: tabs), UTF-8, a header; empty fields and NA are nulls. Types come from the first 16 MiB;
    a column with a value further on that is not of its type is read as text from the beginning, and that is noted.

    Args:
        path: the file; CSV also compressed (.gz, .zst, .bz2, .lz4).
        threads: as for `Profiler`.
        progress: told of rows (Parquet, Arrow) or bytes (CSV).

    Raises:
        SourceError: missing, of another format, damaged, or its files differ in their columns.
    """
    import pyarrow as pa

    as_text: dict[str, str] = {}
    while True:
        try:
            found = _profile(path, tuple(as_text), threads, progress or SilentProgress())
        except _UntypedError as error:
            name = _header(path)[error.column]
            if name in as_text:
                raise SourceError(f"{path}: column '{name}' is not UTF-8 text: {error}") from error
            as_text[name] = str(error)
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{path} cannot be read: {error}") from error
        else:
            notes = tuple(f"column '{name}' is read as text: {why}" for name, why in as_text.items())
            return FileProfile(found, notes)


def _profile(path: Path, as_text: tuple[str, ...], threads: int | None, progress: Progress) -> Profile:
    schema, batches, total = _open(path, as_text)
    with Profiler(schema, threads=threads) as profiler, progress.step(f"profile {path.name}", total) as step:
        for batch in batches:
            if batch.schema.names != schema.names or batch.schema.types != schema.types:
                raise SourceError(f"the files in {path} differ: {batch.schema} after {schema}")
            profiler.update(batch)
            step.advance(batch.num_rows)
        return profiler.result(source=path.name)


def _open(path: Path, as_text: tuple[str, ...]) -> tuple[pa.Schema, Iterator[pa.RecordBatch], int | None]:
    """Schema, batches, and how many rows there are where the format says."""
    import pyarrow.parquet as pq

    files = sorted(path.glob("**/*.parquet")) if path.is_dir() else [path]
    if not path.exists() or not files:
        raise SourceError(f"there is no file {path}" if not path.exists() else f"{path} holds no .parquet file")
    if files[0].suffix == ".parquet":
        # Without pre_buffer: it holds whole row groups, and took five times as long here for a table of numbers.
        opened = [pq.ParquetFile(file, pre_buffer=False) for file in files]
        batches = (batch for file in opened for batch in file.iter_batches(BLOCK_ROWS))
        return opened[0].schema_arrow, batches, sum(file.metadata.num_rows for file in opened)
    suffix = _suffix(path)
    if suffix in _ARROW:
        return _open_arrow(path)
    if suffix in _CSV:
        return _open_csv(path, as_text)
    raise SourceError(
        f"{path} has no ending that says what it is",
        hint=f"rename it; known: .parquet, {', '.join((*_ARROW, *_CSV))}, the last ones also compressed",
    )


def _open_arrow(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch], int | None]:
    import pyarrow as pa

    source = pa.memory_map(str(path))
    try:
        file = pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        stream = pa.ipc.open_stream(source)
        return stream.schema, iter(stream), None
    return file.schema, (file.get_batch(at) for at in range(file.num_record_batches)), None


def _open_csv(path: Path, as_text: tuple[str, ...]) -> tuple[pa.Schema, Iterator[pa.RecordBatch], int | None]:
    import pyarrow as pa
    from pyarrow import csv

    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(as_text, pa.string()), null_values=["", "NA"], strings_can_be_null=True
    )
    reader = _typed(
        lambda: csv.open_csv(
            path,
            read_options=csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
            parse_options=csv.ParseOptions(delimiter="\t" if _suffix(path) == ".tsv" else ",", newlines_in_values=True),
            convert_options=convert,
        )
    )
    schema = reader.schema
    nothing = [at for at, field in enumerate(schema) if pa.types.is_null(field.type)]
    if nothing:  # the first block has no value, a later one may
        raise _UntypedError(nothing[0], "its first 16 MiB hold no value")
    return schema, _batches(reader), None


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            yield _typed(reader.read_next_batch)
        except StopIteration:
            return


def _typed(read: Any) -> Any:
    """What a CSV reader gives; a value of another type is said so.

    Raises:
        _UntypedError: names the column.
    """
    import pyarrow as pa

    try:
        return read()
    except pa.ArrowInvalid as error:
        found = _BAD_VALUE.search(str(error))
        if found is None:
            raise
        raise _UntypedError(int(found.group(1)), found.group(2)) from error


def _header(path: Path) -> list[str]:
    import pyarrow as pa
    from pyarrow import csv

    delimiter = "\t" if _suffix(path) == ".tsv" else ","
    with pa.input_stream(str(path)) as stream:
        lines = csv.open_csv(
            stream,
            read_options=csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(check_utf8=False, auto_dict_encode=False),
        )
        return list(lines.schema.names)


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
