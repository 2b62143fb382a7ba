"""What a profile says: plain data, a column at a time, that reads back from JSON to an equal profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from headrace.core.errors import CorruptedError, NotFoundError, did_you_mean
from headrace.data.profiling.arrays import Kind
from headrace.data.profiling.distribution import Distribution, Histogram

FORMAT_VERSION = 1


@dataclass(frozen=True)
class TopValue:
    """A frequent value; `count` is exact, or at most `ColumnProfile.top_error` below the true one."""

    value: Any
    count: int


@dataclass(frozen=True)
class TimeGap:
    """A stretch without a row: the times of the rows at its ends, ISO 8601, and its length."""

    start: str
    end: str
    seconds: float


@dataclass(frozen=True)
class ColumnProfile:
    """One column. What does not apply to its kind, or has no values, is None or empty.

    Attributes:
        name: the column.
        dtype: type in the vocabulary of tables; None where they have none for it.
        arrow: Arrow's name for its type.
        kind: bool, int, float, string, time (dates too) or other (only nulls are counted).
        nulls: rows without a value, among the profile's rows.
        nan, infinite: NaN and infinite values; they are in none of the statistics below.
        distinct: number of different values, and `distinct_exact` whether it is counted or estimated (relative standard
            error 0.8 %).
        unique: True where no value comes twice, False where one does; None where only an estimate speaks.
        zeros, negatives: finite numbers that are 0, or below.
        min, max: exact; times as ISO 8601.
        mean, std, skewness, kurtosis: of finite numbers, population form; a time's mean as ISO 8601.
        quantiles: p01, p05, p25, p50, p75, p95, p99: the smallest value with at least that share at or below it; exact
            where `distribution_exact`, else within 0.1 % of the rows in rank. Times as ISO 8601.
        distribution: to compare other rows with; times in microseconds.
        histogram: equal bins from p01 to p99 (times: from the first to the last, in microseconds).
        top: the 10 most frequent values, or all where there are at most 50, most frequent first; `top_error` bounds
            what their counts may lack (0: exact).
        lengths: of strings, in characters: min, mean, max, p50, p95, p99; empty: strings without a character.
        order: constant, ascending, descending or unordered, in the order of rows; of integers and times.
        step_back_s: for times, the largest step back between neighbouring rows, seconds; `steps_back` counts them.
        gaps: for times, the longest stretches without a row; every gap longer than `gaps_above_s` is among them.
    """

    name: str
    dtype: str | None
    arrow: str
    kind: Kind
    nulls: int = 0
    nan: int = 0
    infinite: int = 0
    distinct: int | None = None
    distinct_exact: bool = True
    unique: bool | None = None
    zeros: int | None = None
    negatives: int | None = None
    min: Any = None
    max: Any = None
    mean: Any = None
    std: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None
    quantiles: Mapping[str, Any] = field(default_factory=dict)
    distribution: Distribution | None = None
    distribution_exact: bool = True
    histogram: Histogram | None = None
    top: tuple[TopValue, ...] = ()
    top_error: int = 0
    lengths: Mapping[str, float] = field(default_factory=dict)
    order: str | None = None
    steps_back: int | None = None
    step_back_s: float | None = None
    gaps: tuple[TimeGap, ...] = ()
    gaps_above_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON data; what is None or empty is left out."""
        data: dict[str, Any] = {}
        for name in (item.name for item in fields(self)):
            value = getattr(self, name)
            if isinstance(value, Distribution | Histogram):
                data[name] = value.to_json()
            elif name in ("top", "gaps"):
                data[name] = [dict(vars(entry)) for entry in value]
            else:
                data[name] = dict(value) if isinstance(value, Mapping) else value
        return {
            name: value for name, value in data.items() if value not in (None, [], {}) or name in ("dtype", "unique")
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ColumnProfile:
        """Inverse of `to_json`."""
        built = dict(data)
        if "distribution" in built:
            built["distribution"] = Distribution.from_json(built["distribution"])
        if "histogram" in built:
            built["histogram"] = Histogram.from_json(built["histogram"])
        built["top"] = tuple(TopValue(**entry) for entry in built.get("top", ()))
        built["gaps"] = tuple(TimeGap(**entry) for entry in built.get("gaps", ()))
        return cls(**built)


@dataclass(frozen=True)
class Correlations:
    """Pearson's coefficients of numeric columns, over the rows where both have a finite value.

    Attributes:
        columns: the first numeric columns of the table, at most 64.
        values: [p][p]; None where a column does not vary or fewer than two rows have both.
    """

    columns: tuple[str, ...] = ()
    values: tuple[tuple[float | None, ...], ...] = ()

    def strongest(self, number: int) -> list[tuple[str, str, float]]:
        """Pairs of different columns with the largest coefficients, either sign, strongest first."""
        pairs = [
            (left, right, value)
            for row, right in enumerate(self.columns)
            for column, left in enumerate(self.columns[:row])
            if (value := self.values[row][column]) is not None
        ]
        return sorted(pairs, key=lambda pair: (-abs(pair[2]), pair[:2]))[:number]


@dataclass(frozen=True)
class Profile:
    """What one pass over a table found.

    Attributes:
        rows: rows read.
        columns: in the order of the table.
        correlations: between its numeric columns.
        source: what was profiled, for people; empty where nobody said.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    correlations: Correlations = Correlations()
    source: str = ""

    def column(self, name: str) -> ColumnProfile:
        """One column's profile.

        Raises:
            NotFoundError: no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        names = [column.name for column in self.columns]
        raise NotFoundError(
            f"the profile has no column '{name}'; it has: {', '.join(names)}", hint=did_you_mean(name, names)
        )

    def to_json(self) -> dict[str, Any]:
        """JSON data; equal profiles give equal data."""
        return {
            "format": FORMAT_VERSION,
            "source": self.source,
            "rows": self.rows,
            "columns": [column.to_json() for column in self.columns],
            "correlations": {
                "columns": list(self.correlations.columns),
                "values": [list(row) for row in self.correlations.values],
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Profile:
        """Inverse of `to_json`.

        Raises:
            CorruptedError: the format version is unknown, or a part is missing.
        """
        if data.get("format") != FORMAT_VERSION:
            raise CorruptedError(
                f"profile format {data.get('format')!r} is unknown; this version reads {FORMAT_VERSION}",
                hint="profile the table again: headrace data profile",
            )
        try:
            pairs = data["correlations"]
            correlations = Correlations(tuple(pairs["columns"]), _tuples(pairs["values"]))
            columns = tuple(ColumnProfile.from_json(column) for column in data["columns"])
            return cls(int(data["rows"]), columns, correlations, str(data["source"]))
        except (KeyError, TypeError) as error:
            raise CorruptedError(f"the profile is not what its format says: {error}") from error


def _tuples(values: Sequence[Sequence[float | None]]) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(row) for row in values)
