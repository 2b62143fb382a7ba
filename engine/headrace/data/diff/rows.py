"""Which rows two versions do not share, by key or as a multiset; parts that both have are not read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.core.errors import InvalidInputError
from headrace.data.store.reading import PartsToRead
from headrace.data.store.row_hashes import multiset_difference, row_hashes

if TYPE_CHECKING:
    import polars as pl

_CELLS = "cell"


@dataclass(frozen=True)
class RowDiff:
    """Rows of two versions.

    Attributes:
        before: number of rows.
        after: number of rows.
        added: rows of the second version that the first lacks; with keys, rows whose key it lacks.
        removed: the other way round.
        changed: rows of the same key with another value; None without keys: such a row is one removed and one added.
        changed_columns: with keys, the number of such rows by column, columns without a change left out.
        keys: columns that name a row; empty without keys.
    """

    before: int
    after: int
    added: int
    removed: int
    changed: int | None
    changed_columns: Mapping[str, int]
    keys: tuple[str, ...]


def diff_rows(before: PartsToRead, after: PartsToRead, keys: Sequence[str], totals: tuple[int, int]) -> RowDiff:
    """Compare rows over the columns that both have.

    Args:
        before: parts of the first version that the second does not have, with the columns to compare.
        after: the other way round.
        keys: columns that name a row; empty compares whole rows.
        totals: rows of the two versions.

    Memory: 24 bytes a row that is read; with keys, 8 more for each column.

    Raises:
        InvalidInputError: a key comes more than once.
    """
    columns = list(after.dtypes)
    if not keys:
        gone, come = multiset_difference(row_hashes(before.tables(), columns), row_hashes(after.tables(), columns))
        return RowDiff(*totals, len(come), len(gone), None, {}, ())
    rest = [name for name in columns if name not in keys]
    old, new = _hashed(before, keys, rest), _hashed(after, keys, rest)
    for title, frame in ((before.title, old), (after.title, new)):
        twice = int(frame.select("key_low", "key_high").is_duplicated().sum())
        if twice:
            raise InvalidInputError(
                f"{title}: {twice:,} rows share their key ({', '.join(keys)}) with another row",
                hint="name the columns that together are unique with --key, or leave it out",
            )
    both = old.join(new, on=["key_low", "key_high"], how="inner", suffix="_after")
    counts = {}
    changed = None
    for at, name in enumerate(rest):
        differs = both.get_column(f"{_CELLS}{at}") != both.get_column(f"{_CELLS}{at}_after")
        changed = differs if changed is None else changed | differs
        counts[name] = int(differs.sum())
    return RowDiff(
        *totals,
        new.height - both.height,
        old.height - both.height,
        int(changed.sum()) if changed is not None else 0,
        {name: count for name, count in counts.items() if count},
        tuple(keys),
    )


def _hashed(parts: PartsToRead, keys: Sequence[str], rest: Sequence[str]) -> pl.DataFrame:
    """Two hashes of the key and one of each other cell, by row."""
    import polars as pl

    frames = []
    for table in parts.tables():
        hashes = row_hashes([table], keys, "key")
        frame = pl.from_arrow(table.select(list(rest)))
        assert isinstance(frame, pl.DataFrame)
        cells = [frame.get_column(name).hash(1).alias(f"{_CELLS}{at}") for at, name in enumerate(rest)]
        frames.append(hashes.with_columns(cells))
    names = ["key_low", "key_high", *(f"{_CELLS}{at}" for at in range(len(rest)))]
    return pl.concat([pl.DataFrame(schema=dict.fromkeys(names, pl.UInt64)), *frames])
