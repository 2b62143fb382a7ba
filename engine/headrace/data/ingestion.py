"""From a source to the next version of a table; rows that do not parse go to a quarantine table, all others stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError
from headrace.core.hashing import digest_json
from headrace.core.progress import Progress, SilentProgress
from headrace.data.loading import Appending, Replacing, Target, add_rejected, highest_ingested, open_target
from headrace.data.pace import Pace
from headrace.data.preparation.declaration import Preparation, with_function
from headrace.data.preparation.loads import Load, value_to_json
from headrace.data.preparation.newer import Newer
from headrace.data.reading import BATCH_BYTES, Part, Source
from headrace.data.store import TableStore, TableVersion
from headrace.data.types import conform

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

PIECE_BYTES = 16 << 20
"""What is read at once where pieces make no difference: small enough that reading and writing overlap."""


@dataclass(frozen=True)
class IngestResult:
    """What one ingestion did.

    Attributes:
        version: of the table; the one before, where the content did not change.
        rows_read: records in the source, good and bad, without headers.
        rows_quarantined: records that did not parse.
        quarantine: the table that holds them (source_file, line_number, raw_line, reason), or None without any.
        unchanged: the source gave nothing that the table did not already have; no version with other content was made.
        rows_duplicate: rows that lost to another one of the same key.
        rows_old: rows that are not beyond the watermark.
    """

    version: TableVersion
    rows_read: int
    rows_quarantined: int
    quarantine: str | None
    unchanged: bool
    rows_duplicate: int = 0
    rows_old: int = 0


def ingest(
    source: Source,
    store: TableStore,
    name: str,
    *,
    schema: Mapping[str, str] | None = None,
    load: Load | None = None,
    progress: Progress | None = None,
) -> IngestResult:
    """Read a source, prepare it, and write it as the next version of a table, piece by piece in bounded memory.

    The quarantine table is written first: a version is never visible before what was left out of it. Replacing the
    table replaces its quarantine; a load that adds rows adds to it.

    Args:
        source: what to read.
        store: where tables are kept.
        name: the table; its quarantine is `<name>_quarantine`.
        schema: types the prepared table must have, by column; other columns are dropped. None: whatever it has.
        load: replace the table (None), append to it, or upsert by key; all rows or those beyond a watermark.
        progress: told bytes, rows, rows a second and the time left.

    Raises:
        SourceError: the source is missing, unreadable, damaged, empty, lacks a declared column, or no row of it parses.
        DefinitionError: preparation fails, its columns are not those of `schema` or not of types that tables hold, or
            nothing names an append that may be repeated.
    """
    ingestion = _Ingestion(source, store, name, schema, load or Load())
    total = source.size()
    with (progress or SilentProgress()).step(f"ingest {name}", total=total) as step:
        return ingestion.run(Pace(step, total))


def prepared_parts(source: Source, name: str) -> Iterator[Part]:
    """A source's pieces as its preparation makes them, for the table of this name.

    Raises:
        SourceError: as for `ingest`.
        DefinitionError: preparation fails.
    """
    prepare: Any = getattr(source, "prepare", None)
    function = prepare is not None and not isinstance(prepare, Preparation)
    for part in source.parts(batch_bytes=BATCH_BYTES if function else PIECE_BYTES):
        if isinstance(prepare, Preparation):
            yield prepare.apply(part, name)
        else:
            yield with_function(part, prepare, name) if prepare is not None else part


class _Ingestion:
    """One run of `ingest`."""

    def __init__(
        self, source: Source, store: TableStore, name: str, schema: Mapping[str, str] | None, load: Load
    ) -> None:
        self._store, self._name, self._schema, self._load = store, name, schema, load
        self._newer: Newer | None = None
        self._place = ""
        if load.watermark is not None:
            highest, self._place = highest_ingested(store, name, load.watermark.column)
            self._newer = Newer(load.watermark, highest, name)
            source = self._newer.narrowed(source)
        self._source = source
        self._prepare: Any = getattr(source, "prepare", None)
        self._transaction = self._named()
        self._read = self._rejected = self._duplicate = 0

    def run(self, pace: Pace) -> IngestResult:
        lineage: dict[str, Any] = {"source": _title(self._source)}
        quarantine = f"{self._name}_quarantine"
        with (
            open_target(self._store, self._name, self._load, self._transaction, lineage) as target,
            Replacing(self._store, quarantine, lineage) as aside,
        ):
            if isinstance(target, Appending) and target.is_done:
                return IngestResult(target.commit()[0], 0, 0, None, unchanged=True)
            added = self._write(target, aside, pace)
            if self._newer is not None:
                lineage["watermark"] = {
                    "column": self._newer.column,
                    "value": value_to_json(self._newer.highest),
                }
            if self._load.mode != "replace":
                for table in added:
                    add_rejected(self._store, quarantine, table)
            elif self._rejected or quarantine in self._store.names():
                aside.commit()
            version, written = target.commit()
        held = quarantine if self._rejected else None
        old = self._newer.old if self._newer is not None else 0
        return IngestResult(version, self._read, self._rejected, held, not written, self._duplicate, old)

    def _write(self, target: Target, aside: Replacing, pace: Pace) -> list[pa.Table]:
        """Give the target all rows; the rejected ones too where the quarantine is replaced, else they are returned."""
        winners = self._winners()
        added: list[pa.Table] = []
        place, is_first = 0, True
        for part in self._pieces():
            table = part.table
            if winners is not None:
                stay = winners[place : place + table.num_rows]
                place += table.num_rows
                self._duplicate += int(table.num_rows - stay.sum())
                table = _picked(table, stay)
            target.write(self._conformed(table))
            if part.rejected.num_rows or is_first:
                (aside.write if self._load.mode == "replace" else added.append)(part.rejected)
            is_first = False
            self._read += part.rows
            self._rejected += part.rejected.num_rows
            pace.add(part)
        return added

    def _pieces(self) -> Iterator[Part]:
        """The source's pieces, prepared, without rows that are not beyond the watermark."""
        for part in prepared_parts(self._source, self._name):
            yield self._newer.only(part) if self._newer is not None else part

    def _winners(self) -> NDArray[np.bool_] | None:
        """Which rows stay, where rows of the same key are told apart: a first pass over the source."""
        import polars as pl

        rule = self._prepare.deduplicate if isinstance(self._prepare, Preparation) else None
        if rule is None:
            return None
        frames = []
        for part in self._pieces():
            rule.check(part.table.column_names, self._name)
            frames.append(pl.DataFrame(part.table.select(rule.columns)))
        if self._newer is not None:
            self._newer.again()
        return rule.winners(frames)

    def _conformed(self, table: pa.Table) -> pa.Table:
        try:
            return conform(table, self._schema)
        except DefinitionError as error:
            raise DefinitionError(f"table '{self._name}': {error.message}", hint=error.hint) from error

    def _named(self) -> str:
        """What names this load, so that a repeated one does nothing."""
        if self._load.transaction is not None or self._load.mode != "append":
            return self._load.transaction or ""
        if self._newer is not None:
            return f"after:{self._newer.column}:{digest_json(value_to_json(self._newer.highest))}:{self._place}"
        content = getattr(self._source, "content", lambda: None)()
        if content is None:
            raise DefinitionError(
                f"appending {_title(self._source)} to '{self._name}' twice would double its rows",
                hint="name the load with Load(transaction=...), or give it a Watermark",
            )
        return f"append:{content}"


def _title(source: Source) -> str:
    """What lineage calls a source."""
    title = getattr(source, "title", None)
    return str(title()) if title is not None else type(source).__name__


def _picked(table: pa.Table, stay: NDArray[np.bool_]) -> pa.Table:
    import polars as pl

    return table if stay.all() else table.filter(pl.Series(stay).to_arrow())
