"""Parts on their way into a table: cut at fixed row counts, digested and written by several threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self

from headrace.core.config import cpu_budget
from headrace.core.threads import ThreadPool, result_of
from headrace.data.commit_facts import NewPart, Part, Place, Places
from headrace.data.digests import PART_ROWS, PartDigest, chained, digest_column, digest_part
from headrace.data.types import arrow_type, table_dtypes

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.data.commit_log import TableLog
    from headrace.data.staging import Staging


class PartWriter:
    """Tables in, parts out: batch sizes leave no trace.

    Args:
        staged: where files go.
        known: digests of the first parts, where somebody computed them already.

    Invariants: a part is `PART_ROWS` rows, the last one fewer; at most one part a thread waits to be written.
    """

    def __init__(self, staged: Staging, known: Sequence[PartDigest] = ()) -> None:
        self._staged = staged
        self._known = deque(known)
        self._threads = cpu_budget()
        self._pool = ThreadPool(self._threads)
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._running: deque[_Running] = deque()
        self._parts: list[NewPart] = []
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, table: pa.Table) -> None:
        """Take in rows of the one schema that all rows have."""
        self.rows += table.num_rows
        while self._waiting_rows + table.num_rows >= PART_ROWS:
            rest = PART_ROWS - self._waiting_rows
            self._waiting.append(table.slice(0, rest))
            self._flush()
            table = table.slice(rest)
        if table.num_rows:
            self._waiting.append(table)
            self._waiting_rows += table.num_rows

    def finish(self) -> list[NewPart]:
        """Write what is left; all parts, in row order."""
        if self._waiting_rows:
            self._flush()
        while self._running:
            self._collect()
        return self._parts

    def _flush(self) -> None:
        import pyarrow as pa

        table = pa.concat_tables(self._waiting)
        self._waiting, self._waiting_rows = [], 0
        while len(self._running) >= self._threads:
            self._collect()
        file = self._pool.submit(self._staged.store, table)
        known = self._known.popleft() if self._known else None
        names = table.column_names if known is None else []
        digests = [self._pool.submit(_digest, name, table) for name in names]
        self._running.append((file, digests, known, table))

    def _collect(self) -> None:
        file, digests, known, table = self._running.popleft()
        columns = known.columns if known is not None else dict(result_of(digest) for digest in digests)
        places = (Place(result_of(file), 0, table.num_rows),)
        self._parts.append(NewPart(table.num_rows, table_dtypes(table), columns, places))


_Running = tuple["Future[str]", "list[Future[tuple[str, str]]]", PartDigest | None, "pa.Table"]


def _digest(name: str, table: pa.Table) -> tuple[str, str]:
    return name, digest_column(table.column(name))


def empty_part(dtypes: Mapping[str, str]) -> NewPart:
    """The part of a table that has columns and no rows; it has no file."""
    import pyarrow as pa

    nothing = pa.schema([(name, arrow_type(dtype)) for name, dtype in dtypes.items()]).empty_table()
    return NewPart(0, dict(dtypes), digest_part(nothing).columns, ())


def digest_of(parts: Iterable[Part | NewPart]) -> str:
    """Digest of a version that consists of these parts, at least one."""
    return chained(part.digest for part in parts)


def files_of(parts: Iterable[NewPart]) -> set[str]:
    """Names of the files of new parts."""
    return {place.file for part in parts for place in part.places}


def renamed(log: TableLog, parts: Sequence[Part], kept: set[str], staged: Staging) -> dict[str, Places]:
    """Give files new names, so that a commit may change the schema and keep their rows; where each part lies then."""
    names = {file: staged.link(log.path / file, log.file_stats[file]) for file in kept}
    moved = {}
    for part in parts:
        places = log.places[part.name]
        if any(place.file in names for place in places):
            moved[part.name] = tuple(Place(names.get(p.file, p.file), p.first, p.rows) for p in places)
    return moved
