"""Profile any number of rows in one pass: blocks of a fixed number of rows, a task a column, on all cores."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from headrace.core.errors import InvalidInputError
from headrace.core.threads import ThreadPool, result_of, wait_for
from headrace.data.profiling.arrays import joined
from headrace.data.profiling.columns import ColumnState
from headrace.data.profiling.comoments import PIECE_ROWS, Comoments, as_floats
from headrace.data.profiling.result import Correlations, Profile

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_ROWS = 131_072
BLOCK_BYTES = 256 << 20
_VALUE_BYTES = 16
_LEAST_ROWS = 4_096
CORRELATED_COLUMNS = 64
BINS = 30


class Profiler:
    """Statistics of a table that is read once.

    Rows are gathered into blocks of BLOCK_ROWS (of fewer in tables of more than 128 columns): the same rows in the same
    order give the same profile, however they were cut into batches and whatever the number of threads. Rows
    that were divided among several profilers and merged give the same counts, ranges and estimates of different values;
    quantiles, frequent values, moments and gaps within the same stated errors. Only the order of a column asks which
    rows come first: `a.merge(b)` says that b's follow a's.

    Memory: a block two times over, and at most 2 MiB a column, whatever the number of rows. Strings so long that a
    block would take 512 MiB are counted earlier, which moves estimates within their errors.

    Use it in a `with` block, or call `close`: it holds threads.

    Args:
        schema: Arrow schema of every batch; any types, also those that tables do not hold.
        threads: None: one a core, at most 8.

    Raises:
        InvalidInputError: no columns, or a name that comes twice.
    """

    def __init__(self, schema: pa.Schema, *, threads: int | None = None) -> None:
        if not schema.names or len(set(schema.names)) < len(schema.names):
            twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
            raise InvalidInputError(
                f"a profile needs columns with names of their own; these come twice: {', '.join(twice)}"
                if twice
                else "a profile needs at least one column"
            )
        self.schema = schema.remove_metadata()
        self.rows = 0
        self._columns = [ColumnState(field) for field in self.schema]
        self._numeric = [place for place, column in enumerate(self._columns) if column.kind in ("int", "float")]
        self._numeric = self._numeric[:CORRELATED_COLUMNS]
        self._comoments = Comoments(len(self._numeric))
        self._waiting: list[pa.Table] = []
        self._block_rows = BLOCK_ROWS
        while self._block_rows * len(self._columns) * _VALUE_BYTES > BLOCK_BYTES and self._block_rows > _LEAST_ROWS:
            self._block_rows //= 2
        threads = threads or min(8, len(os.sched_getaffinity(0)))
        self._pool = ThreadPool(threads, "headrace-profile")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the threads; what was counted stays."""
        self._pool.shutdown()

    def update(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Add rows.

        Raises:
            InvalidInputError: their schema is not the profiler's, or a time does not fit into microseconds.
        """
        import pyarrow as pa

        table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
        if table.schema.names != self.schema.names or table.schema.types != self.schema.types:
            raise InvalidInputError(_difference(self.schema, table.schema))
        while table.num_rows:
            room = self._block_rows - sum(part.num_rows for part in self._waiting)
            self._waiting.append(table.slice(0, room))
            table = table.slice(room)
            full = sum(part.num_rows for part in self._waiting) == self._block_rows
            if full or sum(part.nbytes for part in self._waiting) > 2 * BLOCK_BYTES:  # enormous strings
                self._flush()

    def merge(self, other: Profiler) -> None:
        """Add the other's rows, as those that follow; the other keeps what it has counted.

        Raises:
            InvalidInputError: its schema is another one.
        """
        if other.schema != self.schema:
            raise InvalidInputError(_difference(self.schema, other.schema))
        self._flush()
        other._flush()
        self.rows += other.rows
        for mine, theirs in zip(self._columns, other._columns, strict=True):
            mine.merge(theirs)
        self._comoments.merge(other._comoments)

    def result(self, *, source: str = "", bins: int = BINS) -> Profile:
        """The profile of all rows so far; more may follow.

        Args:
            source: what was profiled, for people.
            bins: bins of a histogram.
        """
        self._flush()
        names = tuple(self._columns[place].name for place in self._numeric)
        values = tuple(tuple(row) for row in self._comoments.correlations())
        columns = tuple(self._pool.map(lambda column: column.result(bins), self._columns))
        return Profile(self.rows, columns, Correlations(names, values), source)

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._waiting:
            return
        block = pa.concat_tables(self._waiting)
        self._waiting = []
        self.rows += block.num_rows
        arrays = [joined(column) for column in block.columns]
        tasks = [self._pool.submit(self._correlate, [arrays[place] for place in self._numeric], block.num_rows)]
        tasks += [self._pool.submit(column.add, array) for column, array in zip(self._columns, arrays, strict=True)]
        wait_for(tasks)
        for task in tasks:
            result_of(task)

    def _correlate(self, columns: list[pa.Array], n_rows: int) -> None:
        if len(columns) > 1:
            for start in range(0, n_rows, PIECE_ROWS):
                self._comoments.add(as_floats([column.slice(start, PIECE_ROWS) for column in columns]))


def profile_batches(
    batches: Iterable[pa.Table | pa.RecordBatch],
    schema: pa.Schema,
    *,
    source: str = "",
    threads: int | None = None,
    bins: int = BINS,
) -> Profile:
    """Profile all batches of a source; memory does not depend on their number.

    Args:
        batches: in the order of rows, each with the schema.
        schema: Arrow schema.
        source: what is profiled, for people.
        threads: None: one a core, at most 8.
        bins: bins of a histogram.

    Raises:
        InvalidInputError: as `Profiler`.
    """
    with Profiler(schema, threads=threads) as profiler:
        for batch in batches:
            profiler.update(batch)
        return profiler.result(source=source, bins=bins)


def _difference(expected: pa.Schema, found: pa.Schema) -> str:
    if expected.names != found.names:
        return f"the rows have columns {', '.join(found.names)}; expected {', '.join(expected.names)}"
    name = next(name for name in expected.names if expected.field(name).type != found.field(name).type)
    return f"column '{name}' is {found.field(name).type}; expected {expected.field(name).type}"
