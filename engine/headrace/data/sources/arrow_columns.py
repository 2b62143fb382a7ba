"""Columns of Arrow data as declared: picked, widened to the vocabulary, or given as text for preparation to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from headrace.core.errors import SourceError, did_you_mean
from headrace.data.reading import Part, rejected_table
from headrace.data.types import arrow_type, check_dtype, dtype_name

if TYPE_CHECKING:
    import pyarrow as pa


def check_columns(columns: Mapping[str, str] | None, *, where: str) -> None:
    """Refuse a declaration with a type that the vocabulary does not hold.

    Raises:
        DefinitionError: such a type.
    """
    for name, dtype in (columns or {}).items():
        check_dtype(dtype, where=f"{where} column '{name}'")


def wanted_columns(schema: pa.Schema, columns: Mapping[str, str] | None, file: str) -> dict[str, str]:
    """What each wanted column of a file becomes; all of its columns without a declaration.

    A type that the vocabulary does not name (a local time, a decimal, a date) may be declared `string`.

    Raises:
        SourceError: a declared column is absent or comes twice, or its type is not the declared one.
    """
    import pyarrow as pa

    names = list(schema.names)
    wanted: dict[str, str] = {}
    for name in columns if columns is not None else names:
        if names.count(name) != 1:
            what = f"names column '{name}' {names.count(name)} times" if name in names else f"has no column '{name}'"
            raise SourceError(f"{file} {what}; its columns are: {', '.join(names)}", hint=did_you_mean(name, names))
        kind = plain_type(schema.field(name).type)
        found = dtype_name(kind)
        declared = columns[name] if columns is not None else found
        named = found is not None or pa.types.is_temporal(kind) or pa.types.is_decimal(kind)
        textual = declared == "string" and named
        numeric = declared == "float64" and (found == "int64" or pa.types.is_decimal(kind))
        if declared is None or not (found == declared or textual or numeric or pa.types.is_null(kind)):
            said = f", declared {declared}" if declared is not None else ", which tables do not hold"
            raise SourceError(
                f"{file}: column '{name}' is {kind}{said}",
                hint=f"declare it: columns={{'{name}': 'string'}} gives its text, which a Preparation reads",
            )
        wanted[name] = declared
    return wanted


def plain_type(arrow: pa.DataType) -> pa.DataType:
    """The type that values are stored as, without dictionary or extension around it."""
    import pyarrow as pa

    while True:
        if pa.types.is_dictionary(arrow):
            arrow = arrow.value_type
        elif isinstance(arrow, pa.BaseExtensionType):
            arrow = arrow.storage_type
        else:
            return arrow


def as_declared(table: pa.Table, wanted: Mapping[str, str], file: str) -> pa.Table:
    """The wanted columns as their vocabulary types.

    Raises:
        SourceError: a value does not fit, named by column.
    """
    import pyarrow as pa

    columns = []
    for name, dtype in wanted.items():
        column = table.column(name)
        if isinstance(column.type, pa.BaseExtensionType):
            column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
        try:
            columns.append(column.cast(plain_type(column.type)).cast(arrow_type(dtype)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SourceError(f"{file}: column '{name}' does not fit {dtype}: {error}") from error
    return pa.table(columns, names=list(wanted))


def arrow_parts(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, columns: Mapping[str, str] | None, file: str, batch_bytes: int
) -> Iterator[Part]:
    """Record batches as parts of about `batch_bytes`; at least one comes.

    Raises:
        SourceError: the columns are not as declared.
    """
    import numpy as np
    import pyarrow as pa

    wanted = wanted_columns(schema, columns, file)
    done = 0

    def part(held: list[pa.RecordBatch]) -> Part:
        nonlocal done
        table = as_declared(pa.Table.from_batches(held, schema), wanted, file)
        lines = np.arange(done + 1, done + table.num_rows + 1, dtype=np.int64)
        done += table.num_rows
        taken = sum(batch.nbytes for batch in held)
        return Part(table, rejected_table(file), table.num_rows, file, lines, taken)

    held: list[pa.RecordBatch] = []
    held_bytes = 0
    for batch in batches:
        for piece in _pieces(batch, batch_bytes):
            if held and held_bytes + piece.nbytes > batch_bytes:
                yield part(held)
                held, held_bytes = [], 0
            held.append(piece)
            held_bytes += piece.nbytes
    if held or not done:
        yield part(held)


def _pieces(batch: pa.RecordBatch, batch_bytes: int) -> Iterator[pa.RecordBatch]:
    """A batch in slices of about `batch_bytes`."""
    count = max(1, -(-batch.nbytes // max(batch_bytes, 1)))
    rows = max(1, -(-batch.num_rows // count))
    for start in range(0, max(batch.num_rows, 1), rows):
        yield batch.slice(start, rows)
