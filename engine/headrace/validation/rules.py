"""What a schema says about a table as a whole: keys of other tables, age, volume, order and gaps in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headrace.core.errors import DefinitionError
from headrace.validation.durations import Duration, seconds
from headrace.validation.fields import Severity, check_severity

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class ForeignKey:
    """Values that must exist in another table. A row with a null in the key passes.

    Attributes:
        columns: of this table.
        table: the other one, by name.
        to: its columns, in the same order; empty where they have the same names.
        orphans_at_most: share of rows that may miss their counterpart, 0 to 1; at most this many pass untouched.
        severity: what an orphan does.
    """

    columns: tuple[str, ...]
    table: str
    to: tuple[str, ...] = ()
    orphans_at_most: float = field(default=0.0, kw_only=True)
    severity: Severity = field(default="quarantine", kw_only=True)

    def __post_init__(self) -> None:
        _freeze(self, "columns", "to")
        object.__setattr__(self, "to", self.to or self.columns)
        where = f"ForeignKey to '{self.table}'"
        check_severity(self.severity, where=where)
        if not self.columns or len(self.to) != len(self.columns):
            raise DefinitionError(f"{where}: {len(self.columns)} columns refer to {len(self.to)}; give as many")
        if not 0 <= self.orphans_at_most <= 1:
            raise DefinitionError(f"{where}: orphans_at_most is {self.orphans_at_most}; it is a share, 0 to 1")


@dataclass(frozen=True)
class Unique:
    """Columns whose values together come once; every repeating row but the first fails. Null is a value like others.

    Attributes:
        columns: at least one.
        severity: what a repeating row does.
    """

    columns: tuple[str, ...]
    severity: Severity = field(default="quarantine", kw_only=True)

    def __post_init__(self) -> None:
        _freeze(self, "columns")
        check_severity(self.severity, where="Unique")
        if not self.columns:
            raise DefinitionError("Unique: it names no column")


@dataclass(frozen=True)
class Fresh:
    """The newest moment of a timestamp column is not older than a duration, counted back from now.

    Attributes:
        column: a timestamp column.
        within: "2h", "7d" or a timedelta.
        severity: `warn` or `stop`: there is no row to set aside.
    """

    column: str
    within: Duration
    severity: Severity = field(default="stop", kw_only=True)

    def __post_init__(self) -> None:
        seconds(self.within, where=f"Fresh('{self.column}')")
        _check_table_severity(self.severity, f"Fresh('{self.column}')")


@dataclass(frozen=True)
class Volume:
    """How many rows, over the table or in every period of a timestamp column between the first full one and the last.

    Attributes:
        at_least: rows.
        at_most: rows; None: no limit.
        per: length of the period ("1d"), counted from midnight UTC of the first row's day; empty: the whole table.
        column: the timestamp column that the periods are of.
        severity: `warn` or `stop`.
    """

    at_least: int = 0
    at_most: int | None = None
    per: Duration = field(default="", kw_only=True)
    column: str = field(default="", kw_only=True)
    severity: Severity = field(default="stop", kw_only=True)

    def __post_init__(self) -> None:
        _check_table_severity(self.severity, "Volume")
        if bool(self.per) != bool(self.column):
            raise DefinitionError("Volume: per and column go together: rows in every period of which column?")
        if self.per:
            seconds(self.per, where="Volume")
        if self.at_most is not None and self.at_most < self.at_least:
            raise DefinitionError(f"Volume: at_least {self.at_least} is greater than at_most {self.at_most}")


@dataclass(frozen=True)
class Ordered:
    """A column never falls from row to row, in the table or within each group; nulls are skipped.

    Attributes:
        column: int64, float64, timestamp or string.
        by: columns whose values together make the groups.
        strictly: whether an equal value fails too.
        severity: what a row does that is below the greatest value before it.
    """

    column: str
    by: tuple[str, ...] = ()
    strictly: bool = field(default=False, kw_only=True)
    severity: Severity = field(default="quarantine", kw_only=True)

    def __post_init__(self) -> None:
        _freeze(self, "by")
        check_severity(self.severity, where=f"Ordered('{self.column}')")


@dataclass(frozen=True)
class NoGaps:
    """Neighbouring moments of a timestamp column, in the order of time, are never further apart than a duration.

    Attributes:
        column: a timestamp column.
        longest: "2h", "1d" or a timedelta; a gap of exactly this length passes.
        by: columns whose values together make the groups that are looked at one by one.
        severity: `warn` or `stop`.
    """

    column: str
    longest: Duration
    by: tuple[str, ...] = ()
    severity: Severity = field(default="warn", kw_only=True)

    def __post_init__(self) -> None:
        _freeze(self, "by")
        seconds(self.longest, where=f"NoGaps('{self.column}')")
        _check_table_severity(self.severity, f"NoGaps('{self.column}')")


@dataclass(frozen=True)
class TableRule:
    """Whatever else must hold over the table.

    Attributes:
        name: a short name, shown where it fails.
        holds: gives a Polars expression of one Boolean value; null fails.
        severity: `warn` or `stop`.
    """

    name: str
    holds: Callable[[], pl.Expr]
    severity: Severity = field(default="stop", kw_only=True)

    def __post_init__(self) -> None:
        _check_table_severity(self.severity, f"TableRule '{self.name}'")


Rule = ForeignKey | Unique | Fresh | Volume | Ordered | NoGaps | TableRule


def _freeze(rule: object, *names: str) -> None:
    for name in names:
        value = getattr(rule, name)
        object.__setattr__(rule, name, (value,) if isinstance(value, str) else tuple(value))


def _check_table_severity(severity: str, where: str) -> None:
    check_severity(severity, where=where)
    if severity == "quarantine":
        raise DefinitionError(f"{where}: there is no row to quarantine; severity is warn or stop")
