"""The whole comparison: two versions of one table, or of two tables that hold the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headrace.core.errors import InvalidInputError, did_you_mean
from headrace.data.diff.columns import ColumnMove, move_of
from headrace.data.diff.rows import RowDiff, diff_rows
from headrace.data.store.reading import PartsToRead
from headrace.data.store.versions import TableVersion

if TYPE_CHECKING:
    import polars as pl

    from headrace.data.store import TableStore


@dataclass(frozen=True)
class TableDiff:
    """What the second version has that the first has not, and the other way round.

    Attributes:
        before: the first version.
        after: the second version.
        columns_added: name and type.
        columns_removed: name and type.
        columns_retyped: name, type before, type after.
        rows: rows, compared over the columns that both have with one type.
        moves: columns that both have and whose distribution moved, the largest shift first.
    """

    before: TableVersion
    after: TableVersion
    columns_added: tuple[tuple[str, str], ...]
    columns_removed: tuple[tuple[str, str], ...]
    columns_retyped: tuple[tuple[str, str, str], ...]
    rows: RowDiff
    moves: tuple[ColumnMove, ...]

    @property
    def is_same(self) -> bool:
        """Whether both hold the same columns and rows; the order of rows does not count."""
        columns = self.columns_added or self.columns_removed or self.columns_retyped
        return not columns and not (self.rows.added or self.rows.removed or self.rows.changed)

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return {
            "before": vars(self.before),
            "after": vars(self.after),
            "is_same": self.is_same,
            "columns": {
                "added": dict(self.columns_added),
                "removed": dict(self.columns_removed),
                "retyped": {name: [old, new] for name, old, new in self.columns_retyped},
            },
            "rows": vars(self.rows),
            "moves": [move.to_json() for move in self.moves],
        }


def diff_versions(
    store: TableStore, before: TableVersion, after: TableVersion, *, keys: Sequence[str] = ()
) -> TableDiff:
    """Compare two versions.

    Rows of parts that both versions have are not read for the comparison of rows, and columns whose digests are equal
    not for that of distributions, which takes memory of one column of both versions at a time.

    Args:
        store: the tables.
        before: the first version.
        after: the second version, mostly of the same table.
        keys: columns that name a row in both; without them rows are compared whole, as a multiset.

    Raises:
        InvalidInputError: a key is no column of both versions, or comes more than once.
        NotFoundError: a version was vacuumed.
        CorruptedError: the files do not hold what was written.
    """
    one = store.parts(before.name, version=before.version)
    other = store.parts(after.name, version=after.version)
    added = tuple((name, dtype) for name, dtype in other.dtypes.items() if name not in one.dtypes)
    removed = tuple((name, dtype) for name, dtype in one.dtypes.items() if name not in other.dtypes)
    common = [name for name in one.dtypes if name in other.dtypes]
    retyped = tuple((n, one.dtypes[n], other.dtypes[n]) for n in common if one.dtypes[n] != other.dtypes[n])
    same = [name for name in common if one.dtypes[name] == other.dtypes[name]]
    for key in keys:
        if key not in same:
            raise InvalidInputError(
                f"key '{key}' is no column that both versions have with one type", hint=did_you_mean(key, same)
            )
    rows = _rows(one, other, same, keys, (before.rows, after.rows))
    moves = [_move(one, other, name) for name in same if _digests(one, name) != _digests(other, name)]
    moves = [move for move in moves if move.is_move]
    moves.sort(key=lambda move: -(move.shift if move.shift is not None else -1.0))
    return TableDiff(before, after, added, removed, retyped, rows, tuple(moves))


def _rows(
    one: PartsToRead, other: PartsToRead, columns: Sequence[str], keys: Sequence[str], totals: tuple[int, int]
) -> RowDiff:
    shared = _shared(one, other)
    old = [part for part in one.parts if part.name not in shared]
    new = [part for part in other.parts if part.name not in shared]
    if not columns:
        return RowDiff(*totals, totals[1], totals[0], None, {}, ())
    return diff_rows(
        replace(one, parts=old, dtypes={name: one.dtypes[name] for name in columns}),
        replace(other, parts=new, dtypes={name: other.dtypes[name] for name in columns}),
        keys,
        totals,
    )


def _shared(one: PartsToRead, other: PartsToRead) -> set[str]:
    """Names of parts that both versions have: a part never changes."""
    if one.log.path != other.log.path:
        return set()
    return {part.name for part in one.parts} & {part.name for part in other.parts}


def _digests(parts: PartsToRead, name: str) -> list[tuple[int, str | None]]:
    return [(part.rows, part.columns.get(name)) for part in parts.parts]


def _move(one: PartsToRead, other: PartsToRead, name: str) -> ColumnMove:
    return move_of(_column(one, name), _column(other, name), other.dtypes[name])


def _column(parts: PartsToRead, name: str) -> pl.Series:
    import polars as pl

    only = replace(parts, dtypes={name: parts.dtypes[name]})
    chunks = [pl.Series(name, table.column(name)) for table in only.tables()]
    return pl.concat(chunks) if chunks else pl.Series(name, [])
