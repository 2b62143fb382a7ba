"""From a source to the next version of a table; rows that do not parse go to a quarantine table, all others stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import DefinitionError, HeadraceError
from headrace.core.progress import Progress, SilentProgress
from headrace.data.csv_reading import read_csv
from headrace.data.sources import CsvSource
from headrace.data.store import TableStore, TableVersion
from headrace.data.types import conform

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True)
class IngestResult:
    """What one ingestion did.

    Attributes:
        version: of the table; the one before, where the content did not change.
        rows_read: records in the file, good and bad, without the header.
        rows_quarantined: records that did not parse.
        quarantine: the table that holds them (source_file, line_number, raw_line, reason), or None without any.
        unchanged: the source gave exactly the content the table already had; no version was written.
    """

    version: TableVersion
    rows_read: int
    rows_quarantined: int
    quarantine: str | None
    unchanged: bool


def ingest(
    source: CsvSource,
    store: TableStore,
    name: str,
    *,
    schema: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> IngestResult:
    """Read a source, prepare it, and write it as the next version of a table.

    The quarantine table is written first: a version is never visible before what was left out of it.

    Args:
        source: what to read.
        store: where tables are kept.
        name: the table; its quarantine is `<name>_quarantine`.
        schema: types the prepared table must have, by column; other columns are dropped. None: whatever it has.
        progress: told each step.

    Raises:
        SourceError: the file is missing, unreadable, empty, lacks a declared column, or no row of it parses.
        DefinitionError: `prepare` fails, or its columns are not those of `schema` or not of types that tables hold.
    """
    with (progress or SilentProgress()).step(f"ingest {name}", total=3) as step:
        step.note("reading")
        read = read_csv(source)
        step.advance()
        step.note("preparing")
        table = _prepare(source, read.frame, name, schema)
        step.advance()
        step.note("writing")
        quarantined = read.rejected.num_rows
        quarantine = f"{name}_quarantine"
        if quarantined or quarantine in store.names():
            store.replace(quarantine, read.rejected)
        version, written = store.replace(name, table)
        step.advance()
    return IngestResult(version, read.rows, quarantined, quarantine if quarantined else None, not written)


def _prepare(source: CsvSource, frame: pl.DataFrame, name: str, schema: Mapping[str, str] | None) -> pa.Table:
    import polars as pl

    if source.prepare is not None:
        try:
            prepared = source.prepare(frame.lazy())
            collected = prepared.collect() if isinstance(prepared, pl.LazyFrame) else None
        except HeadraceError:
            raise
        except Exception as error:  # a project's function may raise anything
            raise DefinitionError(f"prepare of '{name}' failed: {type(error).__name__}: {error}") from error
        if collected is None:
            raise DefinitionError(
                f"prepare of '{name}' gave a {type(prepared).__name__}; it takes and gives a LazyFrame"
            )
        frame = collected
    try:
        return conform(frame.to_arrow(), schema)
    except DefinitionError as error:
        raise DefinitionError(f"table '{name}': {error.message}", hint=error.hint) from error
