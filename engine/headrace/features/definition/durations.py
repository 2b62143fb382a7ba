"""Durations as people write them (`2h`, `7d`) and times as offsets from a column (`departs_at - 2h`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headrace.core.errors import DefinitionError

_UNIT_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_UNIT_US["w"] = 7 * _UNIT_US["d"]
_DURATION = re.compile(r"(\d+)(us|ms|s|m|h|d|w)")
_OFFSET = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:([+-])\s*(\d+[a-z]+)\s*)?")
_LONGEST_US = 1000 * 366 * _UNIT_US["d"]


def parse_duration_us(text: str) -> int:
    """Microseconds of a duration such as `90s`, `15m`, `2h`, `7d`, `1w`; a day is 24 hours.

    Raises:
        DefinitionError: the text is not a whole number and a unit, or is longer than a thousand years.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise DefinitionError(
            f"'{text}' is not a duration; write a whole number and one of {', '.join(_UNIT_US)}",
            hint="for example '90s', '15m', '2h', '7d'",
        )
    duration_us = int(match[1]) * _UNIT_US[match[2]]
    if duration_us > _LONGEST_US:
        raise DefinitionError(f"duration '{text}' is longer than a thousand years")
    return duration_us


def format_duration(duration_us: int) -> str:
    """The shortest text in one unit that reads back to the same duration."""
    unit, size = max(
        ((u, s) for u, s in _UNIT_US.items() if u != "w" and duration_us % s == 0), key=lambda pair: pair[1]
    )
    return f"{duration_us // size}{unit}"


@dataclass(frozen=True)
class TimeOffset:
    """A timestamp column and a signed distance from it: where in time a spine row asks its question."""

    column: str
    offset_us: int

    def __str__(self) -> str:
        if self.offset_us == 0:
            return self.column
        return f"{self.column} {'-' if self.offset_us < 0 else '+'} {format_duration(abs(self.offset_us))}"


def parse_offset(text: str) -> TimeOffset:
    """Read `column`, `column - 2h` or `column + 15m`.

    Raises:
        DefinitionError: the text has another form.
    """
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise DefinitionError(
            f"'{text}' is not a query time; write a timestamp column, optionally plus or minus a duration",
            hint="for example 'departs_at - 2h'",
        )
    offset_us = parse_duration_us(match[3]) if match[3] else 0
    return TimeOffset(match[1], -offset_us if match[2] == "-" else offset_us)
