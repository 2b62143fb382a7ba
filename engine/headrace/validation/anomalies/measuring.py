"""Statistics of a table: measured in plain Polars and NumPy on a seeded sample, exact where a single row counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from headrace.data.types import table_dtypes
from headrace.validation.anomalies.duplicates import repeated_rows
from headrace.validation.anomalies.reference import ColumnReference, TableReference
from headrace.validation.table_checks import period_counts

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
SEED = 20_130_101
MOST_VALUES = 1_000
DISCRETE = 50
BINS = 32
DAY_S = 86_400.0
_CORRELATED_COLUMNS = 40


@dataclass(frozen=True)
class Measured:
    """A table ready to be compared.

    Attributes:
        frame: all rows.
        dtypes: types by column, in order.
        sample: at most so many rows of it, in their order; the same rows every time.
    """

    frame: pl.DataFrame
    dtypes: Mapping[str, str]
    sample: pl.DataFrame

    def values(self, name: str) -> Floats:
        """Sampled finite values of a numeric column; microseconds of a timestamp."""
        return self._values[name]

    def missing(self, name: str) -> int:
        """Rows of the whole table without a value; NaN counts as a value."""
        return self.frame.get_column(name).null_count()

    def percentiles(self, name: str) -> Floats:
        """0th to 100th percentile of the sampled values of a numeric column that has any."""
        return self._percentiles[name]

    def by_value(self, name: str) -> dict[str, int]:
        """Sampled rows by value of a string or Boolean column, most frequent first."""
        return self._by_value[name]

    @cached_property
    def _percentiles(self) -> dict[str, Floats]:
        shares = np.linspace(0, 1, 101)
        numeric = [name for name, dtype in self.dtypes.items() if dtype in ("int64", "float64")]
        return {name: np.quantile(self.values(name), shares) for name in numeric if len(self.values(name))}

    @cached_property
    def _by_value(self) -> dict[str, dict[str, int]]:
        names = [name for name, dtype in self.dtypes.items() if dtype in ("string", "bool")]
        return {name: dict(by_value(self.sample.get_column(name))) for name in names}

    @cached_property
    def _values(self) -> dict[str, Floats]:
        return {
            name: finite(self.sample.get_column(name))
            for name, dtype in self.dtypes.items()
            if dtype in ("int64", "float64", "timestamp")
        }

    @cached_property
    def correlations(self) -> dict[tuple[str, str], float]:
        """Rank correlation of pairs of numeric columns over sampled rows that have both; constant ones are left out."""
        import polars as pl

        names = [name for name, dtype in self.dtypes.items() if dtype in ("int64", "float64")][:_CORRELATED_COLUMNS]
        if len(names) < 2 or self.sample.height < 3:
            return {}
        ranks = self.sample.head(20_000).select(pl.col(names).cast(pl.Float64).fill_nan(None).rank())
        matrix = ranks.to_numpy()
        found = {}
        for left, right in combinations(range(len(names)), 2):
            both = ~(np.isnan(matrix[:, left]) | np.isnan(matrix[:, right]))
            a, b = matrix[both, left], matrix[both, right]
            if len(a) > 2 and a.std() > 0 and b.std() > 0:
                found[names[left], names[right]] = float(np.corrcoef(a, b)[0, 1])
        return found

    @cached_property
    def intervals(self) -> dict[tuple[str, str], tuple[float, float]]:
        """Median of the seconds between two timestamps of a row, and the distance of the quartiles."""
        names = [name for name, dtype in self.dtypes.items() if dtype == "timestamp"]
        found = {}
        for left, right in combinations(names, 2):
            between = (self.sample.get_column(right) - self.sample.get_column(left)).drop_nulls().dt.total_seconds()
            if len(between):
                low, middle, high = np.quantile(between.to_numpy(), [0.25, 0.5, 0.75])
                found[left, right] = (float(middle), float(high - low))
        return found


def measured(table: pa.Table | pl.DataFrame, *, sample_rows: int = 50_000) -> Measured:
    """Open a table for comparison: columns of types that tables do not hold are left out."""
    import polars as pl

    frame = table if isinstance(table, pl.DataFrame) else pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    dtypes = table_dtypes(frame.head(0).to_arrow())
    sample = frame
    if frame.height > sample_rows:
        rows = np.sort(np.random.default_rng(SEED).choice(frame.height, sample_rows, replace=False))
        sample = frame[rows]
    return Measured(frame, dtypes, sample)


def freeze(table: pa.Table | pl.DataFrame, *, time_column: str = "", sample_rows: int = 50_000) -> TableReference:
    """Measure a table that is as it should be. The same rows give the same bytes.

    Args:
        table: columns of the vocabulary's types, at least one row.
        time_column: the timestamp column that says when a row belongs to; empty: the first one there is.
        sample_rows: distributions come from at most this many rows.
    """
    opened = measured(table, sample_rows=sample_rows)
    moments = [name for name, dtype in opened.dtypes.items() if dtype == "timestamp"]
    time = time_column or next(iter(moments), "")
    daily: list[int] = []
    gap = 0.0
    if time:
        daily = [rows for _, rows in period_counts(opened.frame.get_column(time), DAY_S)][1:-1]
        gap = longest_gap(opened.frame.get_column(time))[0]
    steps = [0, 0.05, 0.5, 0.95, 1]
    return TableReference(
        rows=opened.frame.height,
        columns=tuple(_column(opened, name, dtype) for name, dtype in opened.dtypes.items()),
        correlations=tuple((a, b, round(value, 6)) for (a, b), value in opened.correlations.items()),
        intervals=tuple((a, b, *value) for (a, b), value in opened.intervals.items()),
        time_column=time,
        longest_gap_s=gap,
        daily=tuple(float(value) for value in np.quantile(daily, steps)) if daily else (),
        repeated_share=int(repeated_rows(opened.frame).sum()) / max(1, opened.frame.height),
    )


def finite(values: pl.Series) -> Floats:
    """Values that are numbers, as float64; timestamps in microseconds."""
    import polars as pl

    numbers = values.drop_nulls().to_physical().cast(pl.Float64).to_numpy()
    kept: Floats = numbers[np.isfinite(numbers)]
    return kept


def longest_gap(moments: pl.Series) -> tuple[float, int]:
    """Longest stretch of time without a row, in seconds, and where it begins, in microseconds since the epoch."""
    present = moments.drop_nulls() if moments.null_count() else moments
    values = (present if present.is_sorted() else present.sort()).to_physical().to_numpy()
    if len(values) < 2:
        return 0.0, 0
    steps = np.diff(values)
    at = int(steps.argmax())
    return float(steps[at]) / 1e6, int(values[at])


def by_value(values: pl.Series) -> list[tuple[str, int]]:
    """Values as text with their rows, most frequent first, ties in the order of the values."""
    import polars as pl

    counts = values.drop_nulls().cast(pl.String).alias("value").value_counts()
    return [
        (str(value), int(count))
        for value, count in counts.sort(["count", "value"], descending=[True, False]).iter_rows()
    ]


def binned(values: Floats, edges: Floats) -> npt.NDArray[np.int64]:
    """Counts by bin: up to and at each edge, and one more above the last."""
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1).astype(np.int64)


def clock(values: Floats) -> npt.NDArray[np.int64]:
    """Counts by half hour of the UTC day, from microseconds since the epoch."""
    half_hours = (values.astype(np.int64) // 1_800_000_000) % 48
    return np.bincount(half_hours, minlength=48).astype(np.int64)


def _column(opened: Measured, name: str, dtype: str) -> ColumnReference:
    rows, nulls = opened.frame.height, opened.missing(name)
    if dtype in ("string", "bool"):
        counts = by_value(opened.sample.get_column(name))
        top = tuple(counts[:MOST_VALUES])
        once = sum(count == 1 for _, count in counts)
        return ColumnReference(
            name, dtype, rows, nulls, len(counts), top=top, once=once, complete=len(counts) <= MOST_VALUES
        )
    values = opened.values(name)
    every = finite(opened.frame.get_column(name))
    if not len(every) or not len(values):
        return ColumnReference(name, dtype, rows, nulls)
    distinct = len(np.unique(values))
    low, high = float(every.min()), float(every.max())
    if dtype == "timestamp":
        return ColumnReference(name, dtype, rows, nulls, distinct, low, high, clock=tuple(clock(values).tolist()))
    if dtype == "int64" and _numbers_rows(opened.frame.get_column(name), high - low):
        return ColumnReference(name, dtype, rows, nulls, distinct, low, high, numbering=True)
    shares = np.arange(1, BINS) / BINS
    edges = np.unique(values if distinct <= DISCRETE else np.quantile(values, shares, method="inverted_cdf"))
    return ColumnReference(
        name, dtype, rows, nulls, distinct, low, high,
        mean=float(values.mean()),
        std=float(values.std()),
        quantiles=tuple(float(value) for value in np.quantile(values, np.linspace(0, 1, 101))),
        edges=tuple(float(edge) for edge in edges),
        counts=tuple(int(count) for count in binned(values, edges)),
    )  # fmt: skip


def _numbers_rows(values: pl.Series, width: float) -> bool:
    """Whether whole numbers number the rows: a hundred at least, all different, rising or close together."""
    if len(values) < 100 or values.null_count() or values.n_unique() < len(values):
        return False
    return values.is_sorted() or width < 20 * len(values)
