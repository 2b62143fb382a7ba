"""What a schema says about one column, and about a row as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
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
        for value in self.allowed:
            if type(value) not in PYTHON_TYPES[self.dtype]:
                raise DefinitionError(f"{where}: allowed value {value!r} is not {self.dtype}")
        if self.null_share_at_most is not None and not 0 <= self.null_share_at_most <= 1:
            raise DefinitionError(f"{where}: null_share_at_most is {self.null_share_at_most}; it is a share, 0 to 1")
        if self.null_share_at_most is not None and not self.nullable:
            raise DefinitionError(f"{where}: null_share_at_most needs nullable=True; a null fails the row as it is")


@dataclass(frozen=True)
class RowRule:
    """What must hold within every row.

    Attributes:
        name: a short name, shown where it fails.
        holds: gives the Polars expression that is true where the rule holds; a row where it is null passes.
        severity: as for a `Field`.
    """

    name: str
    holds: Callable[[], pl.Expr]
    severity: Severity = field(default="quarantine", kw_only=True)

    def __post_init__(self) -> None:
        check_severity(self.severity, where=f"RowRule '{self.name}'")


def check_severity(severity: str, *, where: str) -> None:
    """Refuse a severity that does not exist.

    Raises:
        DefinitionError: not one of `SEVERITIES`.
    """
    if severity not in SEVERITIES:
        raise DefinitionError(f"{where}: severity '{severity}' does not exist; allowed: {', '.join(SEVERITIES)}")
