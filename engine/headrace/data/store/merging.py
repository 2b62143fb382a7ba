"""Rows that change rows: an upsert by key, and the overwrite of a partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import DefinitionError, InvalidInputError, did_you_mean
from headrace.data.commit_facts import Commit, Facts, NewPart, Part
from headrace.data.commits import Plan, commit
from headrace.data.staging import Staging, staging
from headrace.data.store.key_ranges import KeyRanges
from headrace.data.store.parts import PartWriter, digest_of, empty_part, files_of
from headrace.data.store.rewriting import Change, Rewritten, rewrite
from headrace.data.store.versions import TableVersion, storable, table_version
from headrace.data.types import arrow_type, conform, table_dtypes

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from headrace.data.commit_log import TableLog

_ROW = "\1row"


def upsert(
    path: Path, table: pa.Table, keys: Sequence[str], transaction: str, lineage: Mapping[str, Any] | None
) -> TableVersion:
    """Replace rows of the same key in place, and append those of new keys."""
    content = storable(table)
    check_keys(keys, table_dtypes(content), what=f"rows for table '{path.name}'")
    _check_unique(path.name, content, keys)
    details = {"keys": list(keys)}

    def plan(log: TableLog) -> Plan:
        newest = log.newest
        if newest is None:
            return _first(content, "upsert", transaction, details, lineage, staged)
        incoming = _fitting(path.name, content, newest)
        matches = _Matches(incoming, keys)
        change = Change(keys, KeyRanges(incoming, keys).may_be_in, matches.find, matches.replace)
        done = rewrite(log, newest, change, staged)
        return _planned(
            newest,
            done,
            matches.new_rows(),
            staged,
            operation="upsert",
            transaction=transaction,
            details=details,
            lineage=lineage,
        )

    with staging(path) as staged:
        made = commit(path, transaction, staged, plan)
    assert made is not None, "a version was planned"
    return table_version(path.name, made)


def overwrite(
    path: Path, table: pa.Table, where: Mapping[str, Any], transaction: str, lineage: Mapping[str, Any] | None
) -> TableVersion:
    """Remove the rows that hold these values, and append the given ones, which hold them too."""
    import pyarrow.compute as pc

    content = storable(table)
    check_keys(list(where), table_dtypes(content), what=f"rows for table '{path.name}'")
    outside = pc.index(_holds(content, where), False).as_py()
    if outside >= 0:
        found = {name: content.column(name)[outside].as_py() for name in where}
        raise InvalidInputError(f"row {outside} for table '{path.name}' is not of the partition {dict(where)}: {found}")
    details = {"where": {name: _plain(value) for name, value in where.items()}}

    def plan(log: TableLog) -> Plan:
        newest = log.newest
        if newest is None:
            return _first(content, "overwrite", transaction, details, lineage, staged)
        incoming = _fitting(path.name, content, newest)

        def decide(part: pa.Table) -> Any:
            holds = _holds(part, where)
            return holds if pc.any(holds).as_py() else None

        def without(part: pa.Table, holds: Any) -> pa.Table:
            return part.filter(pc.invert(holds))

        change = Change(list(where), _ranges(where, newest.dtypes).may_be_in, decide, without)
        done = rewrite(log, newest, change, staged)
        return _planned(
            newest,
            done,
            incoming,
            staged,
            operation="overwrite",
            transaction=transaction,
            details=details,
            lineage=lineage,
        )

    with staging(path) as staged:
        made = commit(path, transaction, staged, plan)
    assert made is not None, "a version was planned"
    return table_version(path.name, made)


def check_keys(keys: Sequence[str], dtypes: Mapping[str, str], *, what: str) -> None:
    """Refuse keys that are not columns.

    Raises:
        InvalidInputError: there are none, or one is no column; the message names the nearest.
    """
    if not keys:
        raise InvalidInputError(f"{what}: name at least one column")
    for key in keys:
        if key not in dtypes:
            raise InvalidInputError(
                f"{what} have no column '{key}'; they have: {', '.join(dtypes)}", hint=did_you_mean(key, dtypes)
            )


class _Matches:
    """Incoming rows by key, and which of them replace a row that is there."""

    def __init__(self, incoming: pa.Table, keys: Sequence[str]) -> None:
        import polars as pl

        self._incoming = incoming
        self._keys = list(keys)
        self._matched: list[pl.Series] = []
        frame = pl.from_arrow(incoming.select(self._keys))
        assert isinstance(frame, pl.DataFrame)
        self._frame = frame.with_row_index(_ROW)

    def find(self, part: pa.Table) -> pl.Series | None:
        """For each row of the part the incoming row that replaces it, or null; None where there is none at all."""
        import polars as pl

        frame = pl.from_arrow(part)
        assert isinstance(frame, pl.DataFrame)
        joined = frame.join(self._frame, on=self._keys, how="left", maintain_order="left")
        found = joined.get_column(_ROW)
        if found.null_count() == len(found):
            return None
        self._matched.append(found.drop_nulls().unique())
        return found

    def replace(self, part: pa.Table, found: pl.Series) -> pa.Table:
        """The part with the incoming rows in the place of their keys."""
        import polars as pl
        import pyarrow as pa

        hit = found.is_not_null()
        order = pl.select(
            pl.when(hit).then(hit.cum_sum().cast(pl.Int64) + (part.num_rows - 1)).otherwise(pl.int_range(len(found)))
        ).to_series()
        new = self._incoming.take(found.drop_nulls().to_arrow())
        return pa.concat_tables([part, new]).combine_chunks().take(order.to_arrow())

    def new_rows(self) -> pa.Table:
        """Incoming rows whose key is new, in their order."""
        import polars as pl

        matched = pl.concat([pl.Series(_ROW, [], dtype=pl.UInt32), *(rows.cast(pl.UInt32) for rows in self._matched)])
        is_new = ~self._frame.get_column(_ROW).cast(pl.UInt32).is_in(matched.implode())
        return self._incoming.filter(is_new.to_arrow())


def _planned(newest: Commit, done: Rewritten, rows: pa.Table, staged: Staging, **told: Any) -> Plan:
    """The commit that puts rewritten and new parts behind a version."""
    with PartWriter(staged) as writer:
        writer.add(rows)
        added = writer.finish()
    parts: list[Part | NewPart | None] = [done.changed.get(at, part) for at, part in enumerate(newest.parts)]
    after = [part for part in parts if part is not None] + added
    if not after:
        added = [empty_part(newest.dtypes)]
        after = [*added]
    operation, transaction = told.pop("operation"), told.pop("transaction")
    facts = Facts(
        operation,
        transaction,
        digest=digest_of(after),
        rows=sum(part.rows for part in after),
        dtypes=newest.dtypes,
        base=newest.version,
        changed=done.changed,
        added=added,
        moved=done.moved,
        **told,
    )
    return Plan(facts, frozenset(done.kept | done.new | files_of(added)), newest.dtypes)


def _first(
    content: pa.Table,
    operation: str,
    transaction: str,
    details: Any,
    lineage: Mapping[str, Any] | None,
    staged: Staging,
) -> Plan:
    with PartWriter(staged) as writer:
        writer.add(content)
        dtypes = table_dtypes(content)
        parts = writer.finish() or [empty_part(dtypes)]
    facts = Facts(
        operation,
        transaction,
        digest=digest_of(parts),
        rows=content.num_rows,
        dtypes=dtypes,
        added=parts,
        details=details,
        lineage=lineage,
    )
    return Plan(facts, frozenset(files_of(parts)), dtypes)


def _fitting(name: str, content: pa.Table, newest: Commit) -> pa.Table:
    """The rows with exactly the table's columns."""
    extra = [column for column in content.column_names if column not in newest.dtypes]
    if extra:
        raise DefinitionError(
            f"rows for table '{name}' bring column '{extra[0]}', which it does not have",
            hint=did_you_mean(extra[0], newest.dtypes) or "append rows to add a column, or replace the table",
        )
    try:
        return conform(content, newest.dtypes)
    except DefinitionError as error:
        raise DefinitionError(f"rows for table '{name}': {error.message}", hint=error.hint) from error


def _check_unique(name: str, content: pa.Table, keys: Sequence[str]) -> None:
    import polars as pl

    frame = pl.from_arrow(content.select(list(keys)))
    assert isinstance(frame, pl.DataFrame)
    for key in keys:
        if frame.get_column(key).null_count():
            row = int(frame.get_column(key).is_null().arg_max() or 0)
            raise InvalidInputError(f"row {row} for table '{name}' has no value in key column '{key}'")
    twice = frame.is_duplicated()
    if twice.any():
        row = int(twice.arg_max() or 0)
        raise InvalidInputError(
            f"rows for table '{name}' hold the key {frame.row(row, named=True)} more than once; which one wins?",
            hint="deduplicate the rows first, with a stated winner",
        )


def _holds(table: pa.Table, where: Mapping[str, Any]) -> pa.ChunkedArray:
    """Which rows hold all of these values; None is a missing value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held: Any = pa.chunked_array([pa.array([True] * table.num_rows, pa.bool_())])
    for name, value in where.items():
        column = table.column(name)
        dtype = table_dtypes(table)[name]
        try:
            same = column.is_null() if value is None else pc.equal(column, pa.scalar(value, arrow_type(dtype)))
        except pa.ArrowException as error:
            raise InvalidInputError(f"column '{name}' is {dtype}, which {value!r} is not") from error
        held = pc.and_(held, pc.fill_null(same, False))
    return held


def _ranges(where: Mapping[str, Any], dtypes: Mapping[str, str]) -> KeyRanges:
    import pyarrow as pa

    values = {name: value for name, value in where.items() if value is not None}
    return KeyRanges(
        pa.table({name: pa.array([value], arrow_type(dtypes[name])) for name, value in values.items()}), list(values)
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
