"""One row a key: which of several wins is declared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from headrace.core.errors import DefinitionError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Deduplicate:
    """Keep one row of those that have the same key.

    The rows are read twice: the first time for keys alone, which are held in memory; the second time the losers are
    left out. They are not errors and go to no quarantine; how many there were is told. A row without a key does.

    Attributes:
        keys: columns of the prepared table.
        keep: the `first` or `last` row in source order, or the one with the `greatest` value of `by` (of equal ones the
            last; a missing value is the least).
        by: a column, with `greatest`.

    Raises:
        DefinitionError: no keys, or `by` where it does not belong.
    """

    keys: Sequence[str]
    keep: Literal["first", "last", "greatest"] = "last"
    by: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.keys, str) or not self.keys:
            raise DefinitionError(f"Deduplicate needs a list of key columns, not {self.keys!r}")
        if (self.keep == "greatest") != (self.by is not None):
            raise DefinitionError("Deduplicate: keep='greatest' and by='column' go together")

    @property
    def columns(self) -> list[str]:
        """What decides: keys, and the column whose greatest value wins."""
        return [*self.keys, *([self.by] if self.by is not None and self.by not in self.keys else [])]

    def winners(self, frames: Iterable[pl.DataFrame]) -> NDArray[np.bool_]:
        """Which rows stay, over all frames.

        Args:
            frames: `columns` of all rows in source order, keys not null. Memory: that of these columns.

        Returns:
            bool[n_rows].
        """
        import numpy as np
        import polars as pl

        held = list(frames)
        whole = pl.concat(held, rechunk=False) if held else pl.DataFrame()
        if not whole.height:
            return np.ones(0, bool)
        rows = whole.with_row_index("__row")
        if self.keep == "greatest":
            assert self.by is not None
            rows = rows.sort([self.by, "__row"], nulls_last=False)
        place = pl.col("__row").first() if self.keep == "first" else pl.col("__row").last()
        stay = np.zeros(whole.height, bool)
        stay[rows.group_by(list(self.keys)).agg(place).get_column("__row").to_numpy()] = True
        return stay

    def check(self, names: Sequence[str], table: str) -> None:
        """Refuse a table that lacks a column.

        Raises:
            DefinitionError: it does.
        """
        for name in self.columns:
            if name not in names:
                raise DefinitionError(
                    f"Deduplicate of '{table}': there is no column '{name}'; there are: {', '.join(names)}",
                    hint=did_you_mean(name, names),
                )
