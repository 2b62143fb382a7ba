"""Records that did not read, read again: after the declaration, or the file where it lies, was put right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from headrace.core.errors import DefinitionError, NotFoundError
from headrace.core.hashing import digest_json
from headrace.core.progress import Progress, SilentProgress
from headrace.data.ingestion import prepared_parts
from headrace.data.pace import Pace
from headrace.data.preparation.declaration import Preparation
from headrace.data.preparation.loads import Load
from headrace.data.reading import Part, Source
from headrace.data.store import TableStore, TableVersion
from headrace.data.types import conform

if TYPE_CHECKING:
    import pyarrow as pa

_Place = tuple[str, int]


@dataclass(frozen=True)
class QuarantineReplay:
    """What came of reading quarantined records again.

    Attributes:
        version: of the table; the one before, where no record reads now.
        rows_passed: records that read now; they are in the table.
        rows_failing: records that stay in the quarantine, with their reasons of now.
        rows_missing: of these, records that the source no longer has, with their reasons of then.
    """

    version: TableVersion
    rows_passed: int
    rows_failing: int
    rows_missing: int


def replay_quarantine(
    source: Source, store: TableStore, name: str, *, load: Load | None = None, progress: Progress | None = None
) -> QuarantineReplay:
    """Read a source again, and take in the records that stand in `<name>_quarantine` and read now.

    A record is known by its file and line (of formats without lines, its row): an edited file keeps its other lines
    where they were. For tables that are appended to or matched by key; a table that its source replaces is simply
    ingested again. The rows are in the table before they leave the quarantine: killed in between, the next replay finds
    them there.

    Args:
        source: as it is declared now.
        store: where tables are kept.
        name: the table.
        load: `append` (None) or `upsert` with its keys; a watermark does not matter here.
        progress: told bytes, rows, rows a second and the time left.

    Raises:
        NotFoundError: the table has no quarantine.
        SourceError: the source cannot be read.
        DefinitionError: preparation fails, drops duplicates without an `upsert`, or changes the number of rows.
    """
    load = load or Load("append")
    quarantine = f"{name}_quarantine"
    if quarantine not in store.names():
        raise NotFoundError(f"no record of table '{name}' was set aside: there is no table '{quarantine}'")
    prepare = getattr(source, "prepare", None)
    if load.mode == "replace" or (
        load.mode == "append" and isinstance(prepare, Preparation) and prepare.deduplicate is not None
    ):
        raise DefinitionError(
            f"table '{name}' cannot take records in again by mode '{load.mode}'",
            hint="ingest the source again" if load.mode == "replace" else "rows are told apart by key: use an upsert",
        )
    before = store.latest(quarantine)
    aside = store.read(quarantine)
    wanted = set(zip(aside.column("source_file").to_pylist(), aside.column("line_number").to_pylist(), strict=True))
    found = _Found(wanted, name)
    total = source.size()
    with (progress or SilentProgress()).step(f"replay {name}", total=total) as step:
        pace = Pace(step, total)
        for part in prepared_parts(source, name):
            found.add(part)
            pace.add(part)
    transaction = f"replay:{before.version}:{digest_json(sorted(found.passed))}"
    version = _taken_in(store, name, found.rows, load, transaction)
    left = found.left(aside)
    store.replace(quarantine, left)
    return QuarantineReplay(version, len(found.passed), left.num_rows, len(wanted - found.passed - found.failed))


class _Found:
    """What the source says of the wanted records.

    Attributes:
        rows: tables of the records that read.
        passed: their places.
        failed: places of those that still do not.
    """

    def __init__(self, wanted: set[_Place], name: str) -> None:
        self.rows: list[pa.Table] = []
        self.passed: set[_Place] = set()
        self.failed: set[_Place] = set()
        self._rejected: list[pa.Table] = []
        self._name = name
        self._lines: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {
            file: np.array(sorted(line for other, line in wanted if other == file), np.int64)
            for file in {file for file, _ in wanted}
        }

    def add(self, part: Part) -> None:
        import polars as pl

        wanted = self._lines.get(part.file)
        if wanted is None:
            return
        if part.lines is None:
            raise DefinitionError(
                f"the preparation of table '{self._name}' changes the number of rows, so that no row's line is known",
                hint="declare a Preparation, or ingest the whole source again",
            )
        hit = np.isin(part.lines, wanted)
        if hit.any():
            self.rows.append(part.table.filter(pl.Series(hit).to_arrow()))
            self.passed |= {(part.file, int(line)) for line in part.lines[hit]}
        still = np.isin(part.rejected.column("line_number").to_numpy(), wanted)
        if still.any():
            failing = part.rejected.filter(pl.Series(still).to_arrow())
            self._rejected.append(failing)
            self.failed |= {(part.file, int(line)) for line in failing.column("line_number").to_pylist()}

    def left(self, aside: pa.Table) -> pa.Table:
        """The quarantine from now on: what still fails, and what was not met."""
        import polars as pl
        import pyarrow as pa

        met = self.passed | self.failed
        places = zip(aside.column("source_file").to_pylist(), aside.column("line_number").to_pylist(), strict=True)
        missing = aside.filter(pl.Series([place not in met for place in places], dtype=pl.Boolean).to_arrow())
        return pa.concat_tables([missing, *(conform(table) for table in self._rejected)])


def _taken_in(store: TableStore, name: str, rows: list[pa.Table], load: Load, transaction: str) -> TableVersion:
    import pyarrow as pa

    if not rows:
        return store.latest(name)
    if load.mode == "upsert":
        table = conform(pa.concat_tables(rows))
        return store.upsert(name, table, keys=load.keys, transaction=transaction)
    with store.writing(name, "append", transaction=transaction) as writer:
        for table in rows:
            writer.write(conform(table))
        return writer.commit()
