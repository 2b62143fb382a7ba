"""How a column's values are read: declared types, local times, decimals, units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headrace.core.errors import DefinitionError
from headrace.data.preparation.units import conversion
from headrace.data.types import check_dtype, polars_type

if TYPE_CHECKING:
    import polars as pl

DAY_AND_HOUR = 25  # hours: longer than any gap of a clock
INT64_DIGITS = 18


class Reading(Protocol):
    """How one column is read."""

    def read(self, values: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The values that were meant, and where none was: a Boolean series; a missing value stays missing."""
        ...

    def expected(self) -> str:
        """What a value has to be, as a message says it."""
        ...


@dataclass(frozen=True)
class Typed:
    """Text or values as a vocabulary type, by the rules of CSV sources.

    Attributes:
        dtype: one of `DTYPES`.
    """

    dtype: str

    def __post_init__(self) -> None:
        check_dtype(self.dtype, where="Typed")

    def read(self, values: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Read texts; other values are widened, or given as text."""
        import polars as pl

        from headrace.data.csv_values import read_values

        if values.dtype == polars_type(self.dtype):
            return values, values.is_null() & False
        return read_values(values if values.dtype == pl.String() else values.cast(pl.String()), self.dtype)

    def expected(self) -> str:
        """The type."""
        return f"{self.dtype}, with Z or an offset" if self.dtype == "timestamp" else self.dtype


@dataclass(frozen=True)
class LocalTime:
    """Clock times of a zone, without offset, as moments in UTC.

    Where clocks are set forward, some times never were; where they are set back, some were twice. The rule is declared:

    Attributes:
        zone: of the clocks, such as `America/New_York`.
        format: of the text, as `strftime` has it; None is ISO 8601, date and time apart by `T` or a blank.
        gap: a time that never was: `reject` sets its row aside; `shift` takes the clock that was not set forward in
            time, so 02:30 is what others call 03:30.
        fold: a time that was twice: the `earlier` moment, the `later` one, or `reject`.

    Raises:
        DefinitionError: an unknown zone, or a format that says the zone itself.
    """

    zone: str
    format: str | None = None
    gap: Literal["reject", "shift"] = field(default="reject", kw_only=True)
    fold: Literal["earlier", "later", "reject"] = field(default="earlier", kw_only=True)

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise DefinitionError(f"'{self.zone}' is no time zone", hint="such as America/New_York") from error
        if self.format is not None and any(mark in self.format for mark in ("%z", "%Z", "%:z", "%#z")):
            raise DefinitionError(f"format '{self.format}' says the zone itself: read the column as timestamp")

    def read(self, values: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Read texts. Years 1 to 9999 in UTC; digits beyond microseconds are cut off."""
        import polars as pl

        texts = values.str.strip_chars()
        if self.format is not None:
            local = texts.str.to_datetime(self.format, time_unit="us", strict=False)
        else:
            plain = texts.str.replace(" ", "T", literal=True)
            local = plain.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
            if (local.is_null() & values.is_not_null()).any():
                local = local.fill_null(plain.str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us", strict=False))
        twice: Literal["earliest", "latest", "null"] = "null"
        if self.fold != "reject":
            twice = "earliest" if self.fold == "earlier" else "latest"
        moments = local.dt.replace_time_zone(self.zone, ambiguous=twice, non_existent="null")
        if self.gap == "shift":
            day = pl.duration(hours=DAY_AND_HOUR)
            before = pl.select((local - day).dt.replace_time_zone(self.zone, ambiguous="earliest", non_existent="null"))
            never = moments.is_null() & local.is_not_null() & _never(local, self.zone)
            shifted = pl.select(before.to_series().dt.convert_time_zone("UTC") + day).to_series()
            moments = moments.dt.convert_time_zone("UTC").zip_with(~never, shifted)
        moments = moments.dt.convert_time_zone("UTC")
        moments = moments.set(~moments.dt.year().is_between(1, 9999), None)
        return moments, moments.is_null() & values.is_not_null()

    def expected(self) -> str:
        """The format and the zone."""
        form = f"as {self.format}" if self.format is not None else "as YYYY-MM-DD HH:MM:SS"
        return f"a time {form} that clocks of {self.zone} showed" + (" once" if self.fold == "reject" else "")


def _never(local: pl.Series, zone: str) -> pl.Series:
    """True where no clock of a zone showed a time."""
    return local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").is_null()


@dataclass(frozen=True)
class Decimal:
    """Decimal text with a fixed number of digits behind the point.

    Attributes:
        scale: how many digits at most; more, unless they are zeros, set the row aside: nothing is rounded away.
        dtype: `int64` counts units of 10**-scale (cents), exactly; `float64` is the nearest number.
        point: what stands before them.
        thousands: what may stand between groups of three digits; None: nothing.

    Raises:
        DefinitionError: a scale outside of 0 to 18, another type, or the same mark twice.
    """

    scale: int
    dtype: Literal["int64", "float64"] = "int64"
    point: str = field(default=".", kw_only=True)
    thousands: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= INT64_DIGITS:
            raise DefinitionError(f"a decimal's scale is 0 to {INT64_DIGITS}, not {self.scale}")
        if self.dtype not in ("int64", "float64"):
            raise DefinitionError(f"a decimal becomes int64 (units of 10**-{self.scale}) or float64, not {self.dtype}")
        if self.point == self.thousands or len(self.point) != 1:
            raise DefinitionError(f"'{self.point}' cannot be both marks of a decimal")

    def read(self, values: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Read texts."""
        import re

        import polars as pl

        texts = (values if values.dtype == pl.String() else values.cast(pl.String())).str.strip_chars()
        whole = r"\d+"
        if self.thousands is not None:
            mark = re.escape(self.thousands)
            whole = rf"(?:\d+|\d{{1,3}}(?:{mark}\d{{3}})+)"
        pattern = rf"^([+-]?)({whole})(?:{re.escape(self.point)}(\d{{0,{self.scale}}})0*)?$"
        fits = texts.str.contains(pattern)
        digits = texts.str.extract(pattern, 2)
        if self.thousands is not None:
            digits = digits.str.replace_all(self.thousands, "", literal=True)
        behind = texts.str.extract(pattern, 3).fill_null("").str.pad_end(self.scale, "0")
        sign = texts.str.extract(pattern, 1)
        point = "." if self.dtype == "float64" and self.scale else ""
        joined = sign + digits + point + behind
        read = joined.set((~fits).fill_null(value=True), None).cast(polars_type(self.dtype), strict=False)
        return read, read.is_null() & values.is_not_null()

    def expected(self) -> str:
        """The form."""
        return f"a decimal with at most {self.scale} digits behind '{self.point}'"


@dataclass(frozen=True)
class Unit:
    """Numbers in one unit, turned into another, as float64.

    Attributes:
        source: symbol of the unit they come in, one of `headrace.data.preparation.units.UNITS`.
        target: symbol of the unit they become.

    Raises:
        DefinitionError: an unknown unit, or units of different dimensions.
    """

    source: str
    target: str

    def __post_init__(self) -> None:
        conversion(self.source, self.target)

    def read(self, values: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Convert numbers, or texts that read as numbers; NaN stays."""
        numbers, failed = Typed("float64").read(values)
        scaled, added, divided = conversion(self.source, self.target)
        return (numbers * float(scaled) + float(added)) / float(divided), failed

    def expected(self) -> str:
        """A number."""
        return f"a number ({self.source})"
