"""What a table used to be, frozen: statistics as JSON, reviewed once and kept with the project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from headrace.core.errors import CorruptedError
from headrace.core.hashing import canonical_json, digest_json

FORMAT_VERSION = 1


@dataclass(frozen=True)
class ColumnReference:
    """One column.

    Attributes:
        name: the column.
        dtype: its type in the vocabulary.
        rows: of the table, missing values included.
        nulls: rows without a value.
        distinct: different values among those sampled.
        low: least finite value (numbers; microseconds since the epoch for timestamps); None without any.
        high: greatest finite value.
        mean: of the sampled finite values.
        std: of the same.
        quantiles: 0th to 100th percentile of the same; numbers only.
        edges: rising; values up to and at each edge make its bin, one more bin lies above the last; numbers only.
        counts: sampled values by bin, one more than edges.
        top: values and sampled rows, most frequent first, at most 1,000; strings and booleans only.
        once: values that came once in the whole sample.
        complete: whether `top` holds every value.
        clock: sampled values by half hour of the UTC day, 48; timestamps only.
        numbering: whole numbers that number the rows (all different, and rising or close together): each table has
            others, so that only their being there is judged.
    """

    name: str
    dtype: str
    rows: int
    nulls: int
    distinct: int = 0
    low: float | None = None
    high: float | None = None
    mean: float = 0.0
    std: float = 0.0
    quantiles: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    top: tuple[tuple[str, int], ...] = ()
    once: int = 0
    complete: bool = False
    clock: tuple[int, ...] = ()
    numbering: bool = False

    @property
    def sampled(self) -> int:
        """Sampled rows that have a value."""
        return sum(self.counts) or sum(count for _, count in self.top) or sum(self.clock)

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.dtype in ("int64", "float64")


@dataclass(frozen=True)
class TableReference:
    """A table.

    Attributes:
        rows: number of rows.
        columns: in the table's order.
        correlations: rank correlation of pairs of numeric columns, `a` before `b` in the table's order.
        intervals: median of `b - a` in seconds for pairs of timestamp columns, and the distance of its quartiles.
        time_column: the timestamp column that volume and gaps are judged by; empty without any.
        longest_gap_s: longest stretch of it without a row.
        daily: rows by UTC day of it, whole days only: least, 5th percentile, median, 95th percentile, most.
        repeated_share: rows that came before, all columns equal.
    """

    rows: int
    columns: tuple[ColumnReference, ...]
    correlations: tuple[tuple[str, str, float], ...] = ()
    intervals: tuple[tuple[str, str, float, float], ...] = ()
    time_column: str = ""
    longest_gap_s: float = 0.0
    daily: tuple[float, ...] = ()
    repeated_share: float = 0.0

    def column(self, name: str) -> ColumnReference | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(column.name for column in self.columns)

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return {"format": FORMAT_VERSION, **asdict(self)}

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal references give equal bytes."""
        return canonical_json(self.to_json())

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest_json(self.to_json())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TableReference:
        """Inverse of `to_json`.

        Raises:
            CorruptedError: the format version is unknown, or a part is missing.
        """
        if data.get("format") != FORMAT_VERSION:
            raise CorruptedError(
                f"reference format {data.get('format')!r} is unknown; this version reads {FORMAT_VERSION}",
                hint="freeze the reference again: headrace data validate --freeze",
            )
        try:
            known = {field.name for field in fields(cls)}
            parts = {name: _tuples(value) for name, value in data.items() if name in known}
            parts["columns"] = tuple(
                ColumnReference(**{name: _tuples(value) for name, value in column.items()})
                for column in data["columns"]
            )
            return cls(**parts)
        except (KeyError, TypeError, AttributeError) as error:
            raise CorruptedError(f"the reference is not what its format says: {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value
