"""Calendar fields of a timestamp in a time zone, as numbers or on a circle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from headrace.core.errors import DefinitionError, did_you_mean
from headrace.features.definition.locations import caller_location
from headrace.features.definition.time_zones import checked_zone

FIELD_PERIODS = {
    "minute": 60,
    "minute_of_day": 1440,
    "hour": 24,
    "weekday": 7,
    "day": 31,
    "month": 12,
    "day_of_year": 366,
}


@dataclass(frozen=True)
class CalendarFeatures:
    """Calendar fields of one timestamp column.

    Attributes:
        column: timestamp column of the spine.
        fields: which fields (`FIELD_PERIODS` lists them); weekday is 0 on Monday, days and months start at 1.
        tz: IANA time zone the fields are read in.
        cyclic: True for sine and cosine of the position in the field's period, False for the number.
    """

    column: str
    fields: tuple[str, ...]
    tz: str
    cyclic: bool
    location: str = field(default_factory=caller_location, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in self.fields:
            if name not in FIELD_PERIODS:
                hint = did_you_mean(name, FIELD_PERIODS)
                raise DefinitionError(f"'{name}' is no calendar field; allowed: {', '.join(FIELD_PERIODS)}", hint=hint)
        checked_zone(self.tz)


def calendar(column: str, fields: str | Sequence[str], *, tz: str = "UTC") -> CalendarFeatures:
    """Calendar fields as numbers: features `<column>_<field>`.

    Raises:
        DefinitionError: a field or the time zone is not known.
    """
    return CalendarFeatures(column, _as_fields(fields), tz, cyclic=False)


def cyclic(column: str, fields: str | Sequence[str], *, tz: str = "UTC") -> CalendarFeatures:
    """Calendar fields on a circle, so that 23 h is near 0 h: features `<column>_<field>_sin` and `_cos`.

    Raises:
        DefinitionError: a field or the time zone is not known.
    """
    return CalendarFeatures(column, _as_fields(fields), tz, cyclic=True)


def _as_fields(fields: str | Sequence[str]) -> tuple[str, ...]:
    return (fields,) if isinstance(fields, str) else tuple(fields)
