"""Lengths of time as they are written in a schema."""

from __future__ import annotations

import re
from datetime import timedelta

from headrace.core.errors import DefinitionError

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
Duration = str | timedelta


def seconds(duration: Duration, *, where: str) -> float:
    """Seconds of a duration: a timedelta, or a number and a unit (s, m, h, d, w): "90m", "2h", "1.5d".

    Raises:
        DefinitionError: it is neither, or not above zero; the message says where it was written.
    """
    if isinstance(duration, timedelta):
        length = duration.total_seconds()
    else:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", duration.strip())
        if found is None:
            raise DefinitionError(f"{where}: '{duration}' is no duration", hint="write 30s, 90m, 2h, 7d or 1w")
        length = float(found[1]) * _UNITS[found[2]]
    if length <= 0:
        raise DefinitionError(f"{where}: a duration of {duration} is not above zero")
    return length


def spoken(length_s: float) -> str:
    """A duration for people, in its largest fitting unit: 5400 -> "1.5 h", 90000 -> "25 h", 864000 -> "10 d"."""
    for unit, size, least in (("d", 86_400, 172_800), ("h", 3_600, 3_600), ("min", 60, 60)):
        if abs(length_s) >= least:
            return f"{length_s / size:.4g} {unit}"
    return f"{length_s:.3g} s"
