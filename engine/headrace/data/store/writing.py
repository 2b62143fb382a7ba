"""Writing a stream of tables: nothing shows before the commit, memory does not grow with the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from headrace.core.errors import DefinitionError, UnavailableError
from headrace.data.commit_facts import Facts, NewPart
from headrace.data.commit_log import TableLog, read_log
from headrace.data.commits import Plan, commit
from headrace.data.digests import TableDigest, chained
from headrace.data.staging import Staging, staging
from headrace.data.store.evolution import Evolution, evolve
from headrace.data.store.parts import PartWriter, digest_of, empty_part, files_of, renamed
from headrace.data.store.rewriting import rewrite_all
from headrace.data.store.versions import TableVersion, storable, table_version
from headrace.data.types import conform, table_dtypes

if TYPE_CHECKING:
    import pyarrow as pa

Mode = Literal["replace", "append"]


@dataclass(frozen=True)
class WriteJob:
    """What is written.

    Attributes:
        path: the table's folder.
        mode: the whole content, or rows behind those that are there.
        transaction: applied at most once.
        lineage: where the rows come from, JSON data.
    """

    path: Path
    mode: Mode
    transaction: str
    lineage: Mapping[str, Any] | None


class TableWriter:
    """A write in progress.

    Attributes:
        made: the version that this transaction made earlier; nothing is written then.
    """

    def __init__(self, job: WriteJob, staged: Staging, parts: PartWriter) -> None:
        self._job = job
        self._staged = staged
        self._parts = parts
        self._dtypes: Mapping[str, str] | None = None
        log = read_log(job.path)
        self._before = log.newest.dtypes if log.newest is not None else None
        done = log.by_transaction.get(job.transaction)
        self.made: TableVersion | None = table_version(job.path.name, done) if done else None

    def write(self, table: pa.Table) -> None:
        """Add rows.

        Args:
            table: columns of the vocabulary's types (others are widened where nothing is lost); every table after the
                first has the columns of the first.

        Raises:
            DefinitionError: a column is missing, has a type that tables do not hold, or one that the table may not
                take when rows are appended to it.
        """
        if self.made is not None:
            return
        if self._dtypes is None:
            dtypes = table_dtypes(storable(table))
            if self._job.mode == "append" and self._before is not None:
                dtypes = dict(evolve(self._job.path.name, self._before, dtypes).incoming)
            self._dtypes = dtypes
        unknown = [name for name in table.column_names if name not in self._dtypes]
        if unknown:
            raise DefinitionError(
                f"a later batch for table '{self._job.path.name}' brings column '{unknown[0]}'; "
                f"the first one had: {', '.join(self._dtypes)}"
            )
        self._parts.add(conform(table, self._dtypes))

    def commit(self) -> TableVersion:
        """Make the version; it is durable when this returns. A transaction that was made before makes nothing.

        Raises:
            DefinitionError: a replace of which nothing was written: its columns are not known.
            UnavailableError: other writers won every attempt, or changed the columns meanwhile.
        """
        if self.made is None:
            parts = self._parts.finish()
            done = commit(self._job.path, self._job.transaction, self._staged, lambda log: self._plan(log, parts))
            assert done is not None, "a version was planned"
            self.made = table_version(self._job.path.name, done)
        return self.made

    def unchanged(self) -> TableVersion | None:
        """The newest version, where a replace would write exactly its content; after this question no rows may come."""
        newest = read_log(self._job.path).newest
        if newest is None or self._dtypes is None or dict(newest.dtypes) != dict(self._dtypes):
            return None
        parts = self._parts.finish() or [empty_part(self._dtypes)]
        return table_version(self._job.path.name, newest) if digest_of(parts) == newest.digest else None

    def _plan(self, log: TableLog, parts: list[NewPart]) -> Plan:
        if self._job.mode == "append" and log.newest is not None:
            return self._appended(log, parts)
        if self._dtypes is None:
            raise DefinitionError(
                f"nothing was written to table '{self._job.path.name}': its columns are not known",
                hint="write at least a table without rows",
            )
        return self._replaced(parts or [empty_part(self._dtypes)], self._dtypes)

    def _replaced(self, parts: list[NewPart], dtypes: Mapping[str, str]) -> Plan:
        facts = Facts(
            "write" if self._job.mode == "replace" else "append",
            self._job.transaction,
            digest=digest_of(parts),
            rows=sum(part.rows for part in parts),
            dtypes=dtypes,
            added=parts,
            lineage=self._job.lineage,
        )
        return Plan(facts, frozenset(files_of(parts)), dtypes)

    def _appended(self, log: TableLog, parts: list[NewPart]) -> Plan:
        newest = log.newest
        assert newest is not None, "there are rows to append to"
        change = evolve(self._job.path.name, newest.dtypes, self._dtypes or newest.dtypes)
        if self._dtypes is not None and dict(change.dtypes) != dict(self._dtypes):
            raise UnavailableError(
                f"the columns of table '{self._job.path.name}' were changed while rows were written to it",
                hint="write the rows again",
            )
        if change.widened:
            return self._widened(log, parts, change)
        kept = set(log.files(newest))
        moved = {}
        if change.new:
            moved = renamed(log, newest.parts, kept, self._staged)
            kept = {place.file for places in moved.values() for place in places}
            parts = parts or [empty_part(change.dtypes)]
        facts = Facts(
            "append",
            self._job.transaction,
            digest=chained([newest.digest, *(part.digest for part in parts)]),
            rows=newest.rows + sum(part.rows for part in parts),
            dtypes=change.dtypes,
            base=newest.version,
            added=parts,
            moved=moved,
            lineage=self._job.lineage,
        )
        return Plan(facts, frozenset(kept | files_of(parts)), change.dtypes)

    def _widened(self, log: TableLog, parts: list[NewPart], change: Evolution) -> Plan:
        """Rewrite the rows that are there with the wider type: other readers of Delta want one type a column."""
        newest = log.newest
        assert newest is not None, "there are rows to widen"
        wide = rewrite_all(log, newest, change, self._staged)
        after = [*wide, *parts]
        facts = Facts(
            "append",
            self._job.transaction,
            digest=digest_of(after),
            rows=sum(part.rows for part in after),
            dtypes=change.dtypes,
            base=newest.version,
            changed=dict(enumerate(wide)),
            added=parts,
            lineage=self._job.lineage,
        )
        return Plan(facts, frozenset(files_of(after)), change.dtypes)


@contextmanager
def writing(
    path: Path,
    mode: Mode,
    transaction: str,
    lineage: Mapping[str, Any] | None,
    known: TableDigest | None = None,
) -> Iterator[TableWriter]:
    """Open a write; what was not committed when the block ends never was."""
    job = WriteJob(path, mode, transaction, lineage)
    with staging(path) as staged, PartWriter(staged, known.parts if known is not None else ()) as parts:
        yield TableWriter(job, staged, parts)


def write_once(
    path: Path,
    table: pa.Table,
    transaction: str,
    lineage: Mapping[str, Any] | None,
    known: TableDigest | None = None,
) -> TableVersion:
    """Write a whole table as the next version; `known` is its digest, where somebody computed it already."""
    content = storable(table)
    with writing(path, "replace", transaction, lineage, known) as writer:
        writer.write(content)
        return writer.commit()
