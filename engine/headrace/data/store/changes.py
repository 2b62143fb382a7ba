"""The change feed: which rows each version inserted, updated and deleted, read from the parts it changed alone.

Column names and change types are those of Delta's change data feed, so that whoever reads one reads the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.data.commit_facts import Commit, Part
from headrace.data.store.reading import PartsToRead
from headrace.data.store.rewriting import reading
from headrace.data.store.row_hashes import multiset_difference, row_hashes, rows_at

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.data.commit_log import TableLog

CHANGE_TYPE, COMMIT_VERSION, COMMIT_TIMESTAMP = "_change_type", "_commit_version", "_commit_timestamp"


def changes(log: TableLog, since: Commit | None, until: Commit) -> Iterator[pa.Table]:
    """Changes of every version behind `since` up to `until`, oldest first.

    An append inserts. An upsert updates where the row differs (`update_preimage`, `update_postimage`) and inserts. The
    overwrite of a partition deletes and inserts. A write or a restore deletes rows that are no longer there and inserts
    those that are new, as a multiset. Widening a column is no change.
    """
    before = since
    for commit in log.commits:
        if since is not None and commit.version <= since.version:
            continue
        if commit.version > until.version:
            return
        for kind, table in _changes_of(log, before, commit):
            if table.num_rows:
                yield _marked(table, kind, commit)
        before = commit


def _changes_of(log: TableLog, before: Commit | None, commit: Commit) -> Iterator[tuple[str, pa.Table]]:
    if before is None:
        for table in reading(log, commit, commit.parts).tables():
            yield "insert", table
        return
    if commit.operation == "upsert" and commit.base is not None:
        yield from _updates(log, before, commit)
        old: list[Part] = []
        new = list(commit.added)
    elif commit.operation == "append":  # parts that it changed were widened
        old, new = [], list(commit.added)
    else:
        kept = {part.name for part in before.parts} & {part.name for part in commit.parts}
        old = [part for part in before.parts if part.name not in kept]
        new = [part for part in commit.parts if part.name not in kept]
    yield from _differences(reading(log, before, old), reading(log, commit, new))


def _updates(log: TableLog, before: Commit, commit: Commit) -> Iterator[tuple[str, pa.Table]]:
    """Rows of changed parts lie where they lay."""
    parts = before.parts
    places = sorted(commit.changed)
    old = reading(log, before, [parts[at] for at in places]).tables()
    new = reading(log, commit, [part for at in places if (part := commit.changed[at]) is not None]).tables()
    for one, other in zip(old, new, strict=True):
        rows = _differing(one, other)
        yield "update_preimage", one.take(rows)
        yield "update_postimage", other.take(rows)


def _differing(one: pa.Table, other: pa.Table) -> pa.Array:
    names = other.column_names
    before, after = row_hashes([one], names), row_hashes([other], names)
    differs = (before.get_column("row_low") != after.get_column("row_low")) | (
        before.get_column("row_high") != after.get_column("row_high")
    )
    return differs.arg_true().to_arrow()


def _differences(old: PartsToRead, new: PartsToRead) -> Iterator[tuple[str, pa.Table]]:
    if not old.parts:
        for table in new.tables():
            yield "insert", table
        return
    if old.dtypes != new.dtypes:
        yield from (("delete", table) for table in old.tables())
        yield from (("insert", table) for table in new.tables())
        return
    columns = list(new.dtypes)
    gone, come = multiset_difference(row_hashes(old.tables(), columns), row_hashes(new.tables(), columns))
    yield from (("delete", table) for table in rows_at(old.tables(), gone))
    yield from (("insert", table) for table in rows_at(new.tables(), come))


def _marked(table: pa.Table, kind: str, commit: Commit) -> pa.Table:
    import pyarrow as pa

    rows = table.num_rows
    stamp = pa.scalar(commit.at, pa.timestamp("us", tz="UTC"))
    return (
        table.append_column(CHANGE_TYPE, pa.repeat(pa.scalar(kind), rows))
        .append_column(COMMIT_VERSION, pa.repeat(pa.scalar(commit.version, pa.int64()), rows))
        .append_column(COMMIT_TIMESTAMP, pa.repeat(stamp, rows))
    )
