"""What a report says about the input: tables, columns, checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headrace.pipeline.report.model.figures import CategoryCount, Histogram


@dataclass(frozen=True, slots=True)
class TableSummary:
    """One versioned table, as the run read it."""

    name: str
    version: int
    digest: str
    rows: int
    quarantined: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column: a histogram where it is numeric, its most frequent values where it is not.

    Attributes:
        nulls: rows without a value, among `rows`.
        unit: for the axis, e.g. "minutes"; empty where the column has none.
        histogram: numeric columns only.
        top: categorical columns only, most frequent first; `distinct` counts all values.
    """

    table: str
    name: str
    dtype: str
    rows: int
    nulls: int
    unit: str = ""
    histogram: Histogram | None = None
    top: tuple[CategoryCount, ...] = ()
    distinct: int | None = None
    minimum: float | None = None
    mean: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class DataProfile:
    """The tables a run read and the columns worth looking at (a dozen is a good number)."""

    tables: tuple[TableSummary, ...]
    columns: tuple[ColumnProfile, ...] = ()


@dataclass(frozen=True, slots=True)
class ValidationCheck:
    """One check of one table; `rows` counts those it touched."""

    table: str
    column: str
    name: str
    status: Literal["passed", "warned", "failed"]
    detail: str = ""
    rows: int = 0
