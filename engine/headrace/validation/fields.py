"""What a schema says about one column, and about a row as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from headrace.core.errors import DefinitionError
from headrace.data.types import check_dtype

if TYPE_CHECKING:
    import polars as pl

Severity = Literal["warn", "quarantine", "stop"]
SEVERITIES: tuple[Severity, ...] = ("warn", "quarantine", "stop")
Scalar = bool | int | float | str
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int64": (int,),
    "float64": (int, float),
    "string": (str,),
    "timestamp": (),
}


@dataclass(frozen=True)
class Field:
    """What a column must be.

    Attributes:
        name: the column.
        dtype: its type, one of `headrace.data.DTYPES`.
        nullable: whether a value may be missing. NaN counts as a value, and as out of range.
        min: the least value allowed, itself included.
        max: the greatest value allowed, itself included.
        not_before: the earliest moment allowed in a timestamp column, itself included: "2013-01-01" or with a time; UTC
            where no offset is written.
        not_after: the latest one, itself included.
        pattern: regular expression (Rust's syntax, as Polars has it) that a string must match from end to end.
        min_length: fewest characters of a string.
        max_length: most characters of a string.
        required: whether the column must be there; one that is not required and absent passes.
        allowed: the only values allowed; empty allows all.
        unique: no value may come twice; every row of a repeated value but the first fails.
        null_share_at_most: the share of missing values above which the whole column is worth a warning, 0 to 1.
        severity: what a failing row does: `warn` counts it, `quarantine` sets it aside, `stop` fails the table.
        unit: for people and pictures, e.g. "minutes".

    Raises:
        DefinitionError: an unknown type or severity, bounds that exclude each other, bounds or allowed values that do
            not fit the type.
    """

    name: str
    dtype: str
    nullable: bool = field(default=False, kw_only=True)
    min: float | None = field(default=None, kw_only=True)
    max: float | None = field(default=None, kw_only=True)
    allowed: tuple[Scalar, ...] = field(default=(), kw_only=True)
    not_before: str = field(default="", kw_only=True)
    not_after: str = field(default="", kw_only=True)
    pattern: str = field(default="", kw_only=True)
    min_length: int | None = field(default=None, kw_only=True)
    max_length: int | None = field(default=None, kw_only=True)
    required: bool = field(default=True, kw_only=True)
    unique: bool = field(default=False, kw_only=True)
    null_share_at_most: float | None = field(default=None, kw_only=True)
    severity: Severity = field(default="quarantine", kw_only=True)
    unit: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        where = f"Field '{self.name}'"
        check_dtype(self.dtype, where=where)
        check_severity(self.severity, where=where)
        object.__setattr__(self, "allowed", tuple(self.allowed))
        if (self.min is not None or self.max is not None) and self.dtype not in ("int64", "float64"):
            raise DefinitionError(f"{where}: min and max are for int64 and float64 columns, this one is {self.dtype}")
        if any(bound is not None and math.isnan(bound) for bound in (self.min, self.max)):
            raise DefinitionError(f"{where}: a bound is NaN; leave it out where there is none")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise DefinitionError(f"{where}: min {self.min} is greater than max {self.max}; no value would pass")
        self._check_text(where)
        self._check_moments(where)
        for value in self.allowed:
            if type(value) not in PYTHON_TYPES[self.dtype]:
                raise DefinitionError(f"{where}: allowed value {value!r} is not {self.dtype}")
        if self.null_share_at_most is not None and not 0 <= self.null_share_at_most <= 1:
            raise DefinitionError(f"{where}: null_share_at_most is {self.null_share_at_most}; it is a share, 0 to 1")
        if self.null_share_at_most is not None and not self.nullable:
            raise DefinitionError(f"{where}: null_share_at_most needs nullable=True; a null fails the row as it is")

    def _check_text(self, where: str) -> None:
        lengths = self.min_length is not None or self.max_length is not None
        if (self.pattern or lengths) and self.dtype != "string":
            raise DefinitionError(f"{where}: pattern and lengths are for string columns, this one is {self.dtype}")
        if self.min_length is not None and self.max_length is not None and self.min_length > self.max_length:
            raise DefinitionError(f"{where}: min_length {self.min_length} is greater than max_length {self.max_length}")
        if self.pattern:
            import polars as pl

            try:
                pl.Series([""]).str.contains(self.pattern)
            except pl.exceptions.PolarsError as error:
                raise DefinitionError(f"{where}: pattern {self.pattern!r} is no regular expression: {error}") from error

    def _check_moments(self, where: str) -> None:
        moments = [moment(text, where=where) for text in (self.not_before, self.not_after) if text]
        if moments and self.dtype != "timestamp":
            raise DefinitionError(
                f"{where}: not_before and not_after are for timestamp columns, this one is {self.dtype}"
            )
        if len(moments) == 2 and moments[0] > moments[1]:
            raise DefinitionError(f"{where}: not_before {self.not_before} is later than not_after {self.not_after}")


@dataclass(frozen=True)
class RowRule:
    """What must hold within every row.

    Attributes:
        name: a short name, shown where it fails.
        holds: gives the Polars expression that is true where the rule holds; a row where it is null passes.
        severity: as for a `Field`.
        column: the column it is about, for messages; empty where it is about several.
    """

    name: str
    holds: Callable[[], pl.Expr]
    severity: Severity = field(default="quarantine", kw_only=True)
    column: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        check_severity(self.severity, where=f"RowRule '{self.name}'")


@dataclass(frozen=True)
class FrameRule:
    """What must hold within every row, said by a function of the whole frame; what a pandera check becomes.

    Attributes:
        name: a short name, shown where it fails.
        holds: gives from the table's LazyFrame one Boolean column, a value a row (null passes), or one value for all.
        severity: as for a `Field`.
        column: the column it is about, for messages; empty where it is about several.
    """

    name: str
    holds: Callable[[pl.LazyFrame], pl.LazyFrame]
    severity: Severity = field(default="quarantine", kw_only=True)
    column: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        check_severity(self.severity, where=f"FrameRule '{self.name}'")


def moment(text: str, *, where: str) -> datetime:
    """A moment in UTC from ISO 8601 text; without an offset it is UTC.

    Raises:
        DefinitionError: the text is no date and no time; the message says where it was written.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise DefinitionError(f"{where}: '{text}' is no date or time", hint="write 2013-01-01T06:00:00") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def check_severity(severity: str, *, where: str) -> None:
    """Refuse a severity that does not exist.

    Raises:
        DefinitionError: not one of `SEVERITIES`.
    """
    if severity not in SEVERITIES:
        raise DefinitionError(f"{where}: severity '{severity}' does not exist; allowed: {', '.join(SEVERITIES)}")
