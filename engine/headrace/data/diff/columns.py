"""How a column's distribution moved between two versions: missing values, mean, quantiles, shares of categories."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.core.hashing import finite_or_none

if TYPE_CHECKING:
    import polars as pl

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SHOWN_CATEGORIES = 5


@dataclass(frozen=True)
class ColumnMove:
    """A column of two versions.

    Attributes:
        name: the column.
        dtype: its type in the second version.
        null_share: share of missing values, before and after.
        mean: of finite values, before and after; of numbers and booleans. None: there are none.
        quantiles: 5, 25, 50, 75 and 95 %, (before, after) each; of numbers and timestamps (microseconds).
        shift: of numbers and timestamps, the largest move of a quantile in units of the first version's distance
            between the 5 % and 95 % quantiles; of others, the total variation distance (0 to 1) between the shares of
            their values. None: one side has no values; infinite: the first side had one value only and it moved.
        categories: of strings and booleans, those whose share moved most: (value, share before, share after).
        new_categories: number of values that the first version lacks.
        lost_categories: number of values that the second version lacks.
    """

    name: str
    dtype: str
    null_share: tuple[float, float]
    mean: tuple[float | None, float | None] | None
    quantiles: tuple[tuple[float, float], ...]
    shift: float | None
    categories: tuple[tuple[Any, float, float], ...]
    new_categories: int
    lost_categories: int

    @property
    def is_move(self) -> bool:
        """Whether anything of it differs; the order of values does not count."""
        mean = self.mean is not None and self.mean[0] != self.mean[1]
        nulls = self.null_share[0] != self.null_share[1]
        return bool(mean or nulls or self.shift or self.new_categories or self.lost_categories)

    def to_json(self) -> dict[str, Any]:
        """JSON data; an infinite shift is the string "inf"."""
        shift = "inf" if self.shift == math.inf else self.shift
        return {**vars(self), "shift": shift}


def move_of(before: pl.Series, after: pl.Series, dtype: str) -> ColumnMove:
    """Compare a column's values in two versions.

    NaN and Inf are values without a place in mean and quantiles. Memory: the two columns, and their values once each
    where they are categories.
    """
    nulls = (_share(before.null_count(), len(before)), _share(after.null_count(), len(after)))
    if dtype in ("string", "bool"):
        return _categories(before, after, dtype, nulls)
    old, new = _finite(before, dtype), _finite(after, dtype)
    mean = None
    if dtype != "timestamp":
        mean = (_mean(old), _mean(new))
    if not len(old) or not len(new):
        return ColumnMove(before.name, dtype, nulls, mean, (), None, (), 0, 0)
    pairs = tuple((float(old.quantile(q) or 0.0), float(new.quantile(q) or 0.0)) for q in QUANTILES)
    largest = max(abs(b - a) for a, b in pairs)
    width = pairs[-1][0] - pairs[0][0]
    shift = largest / width if width > 0 else (math.inf if largest else 0.0)
    return ColumnMove(before.name, dtype, nulls, mean, pairs, shift, (), 0, 0)


def _finite(values: pl.Series, dtype: str) -> pl.Series:
    present = values.drop_nulls()
    numbers = (present.to_physical() if dtype == "timestamp" else present).cast(float)
    return numbers.filter(numbers.is_finite())


def _mean(values: pl.Series) -> float | None:
    mean = values.mean()
    return finite_or_none(float(mean)) if isinstance(mean, (int, float)) else None


def _categories(before: pl.Series, after: pl.Series, dtype: str, nulls: tuple[float, float]) -> ColumnMove:
    import polars as pl

    def shares(values: pl.Series, name: str) -> pl.DataFrame:
        present = values.drop_nulls().alias("value")
        return present.value_counts(name=name).with_columns(pl.col(name) / max(len(present), 1))

    both = shares(before, "before").join(shares(after, "after"), on="value", how="full", coalesce=True)
    new, lost = both.get_column("before").null_count(), both.get_column("after").null_count()
    both = both.with_columns(pl.col("before", "after").fill_null(0.0))
    both = both.with_columns((pl.col("after") - pl.col("before")).abs().alias("move"))
    has_values = nulls[0] < 1 and nulls[1] < 1 and len(before) and len(after)
    top = both.filter(pl.col("move") > 0).sort(["move", "value"], descending=[True, False]).head(SHOWN_CATEGORIES)
    mean = None
    if dtype == "bool":
        mean = (_mean(before.drop_nulls().cast(float)), _mean(after.drop_nulls().cast(float)))
    return ColumnMove(
        before.name,
        dtype,
        nulls,
        mean,
        (),
        float(both.get_column("move").sum()) / 2 if has_values else None,
        tuple(top.select("value", "before", "after").rows()),
        new,
        lost,
    )


def _share(count: int, rows: int) -> float:
    return count / rows if rows else 0.0
