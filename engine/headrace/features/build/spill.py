"""A table on disk by partitions of its keys, written in one pass and read back one partition at a time.

Invariants: a spill is whole once its note exists, and never changes; the rows of a partition keep the table's order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headrace.core.files import write_atomic
from headrace.features.build.partitions import ROW, split
from headrace.features.build.sources import Source, empty_table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Spill:
    """A table's partitions in a folder.

    Attributes:
        folder: where the files are; `name` comes first in theirs.
        name: distinguishes the spills of one folder.
        keys: key columns the table is cut by.
        partitions: how many.
    """

    folder: Path
    name: str
    keys: tuple[str, ...]
    partitions: int

    @property
    def is_whole(self) -> bool:
        """Whether an earlier run, or this one, wrote all of it."""
        return self._note.is_file()

    def write(self, source: Source, dtypes: Mapping[str, str], *, on_rows: Callable[[int], None]) -> None:
        """Cut a source, in one pass, with memory for one batch.

        Args:
            source: what to read.
            dtypes: the columns to keep, with their types; the key columns are among them.
            on_rows: told the rows of each batch once they are written; may raise to end the work.

        Raises:
            SourceError: the source cannot be read.
            OSError: the disk is full.
        """
        import pyarrow as pa

        self.folder.mkdir(parents=True, exist_ok=True)
        rows = [0] * self.partitions
        position = 0
        with ExitStack() as files:
            writers: dict[int, pa.RecordBatchStreamWriter] = {}
            for batch in source.batches(dtypes):
                rows_of_batch = np.arange(position, position + batch.num_rows)
                numbered = batch.append_column(ROW, pa.array(rows_of_batch))
                position += batch.num_rows
                for number, part in split(numbered, self.keys, self.partitions):
                    if number not in writers:
                        file = files.enter_context(pa.OSFile(str(self.path(number)), "wb"))
                        writers[number] = files.enter_context(pa.ipc.new_stream(file, part.schema))
                    writers[number].write_table(part)
                    rows[number] += part.num_rows
                on_rows(batch.num_rows)
        write_atomic(self._note, json.dumps({"rows": rows}).encode())

    def read(self, number: int, dtypes: Mapping[str, str]) -> pa.Table:
        """Read one partition: the columns of `dtypes` and `ROW`; an empty table where no key falls into it."""
        import pyarrow as pa

        path = self.path(number)
        if not path.is_file():
            return empty_table(dtypes).append_column(ROW, pa.array([], pa.int64()))
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
            return stream.read_all()

    @property
    def fullest(self) -> int:
        """Rows of the partition that has most."""
        rows: list[int] = json.loads(self._note.read_bytes())["rows"]
        return max(rows)

    def discard(self, number: int) -> None:
        """Free the disk of a partition that is not needed any more."""
        self.path(number).unlink(missing_ok=True)

    def path(self, number: int) -> Path:
        """File of one partition."""
        return self.folder / f"{self.name}-{number:04d}.arrows"

    @property
    def _note(self) -> Path:
        return self.folder / f"{self.name}.json"
