"""Calendar fields by integer arithmetic, and tables that encode them."""

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import CalendarField
from headrace_kernels.cpu.jit import kernel
from headrace_kernels.dtypes import Integers, Matrix, Positions, Times

_MINUTE_US = 60_000_000
_DAY_MINUTES = 1440
_ERA_DAYS = 146_097
_EPOCH_FROM_MARCH_0 = 719_468
_MINUTE, _MINUTE_OF_DAY, _HOUR, _WEEKDAY, _DAY, _MONTH = (int(field) for field in list(CalendarField)[:6])


@kernel
def calendar_field(local: Times, field: int) -> Integers:
    """One calendar field of each local time; see the reference. Complexity: O(n).

    Days become dates in years that begin on March 1, so that the leap day is the last one; the pattern of days repeats
    every 400 years (146,097 days). Reference: Richards, "Mapping Time", 1998, chapter 25.
    """
    result = np.empty(len(local), dtype=np.int64)
    for row in range(len(local)):
        minutes = local[row] // _MINUTE_US
        days = minutes // _DAY_MINUTES
        of_day = minutes - days * _DAY_MINUTES
        if field == _MINUTE:
            result[row] = of_day % 60
        elif field == _MINUTE_OF_DAY:
            result[row] = of_day
        elif field == _HOUR:
            result[row] = of_day // 60
        elif field == _WEEKDAY:
            result[row] = (days + 3) % 7  # 1970-01-01 was a Thursday
        else:
            result[row] = _date_field(days, field)
    return result


@kernel
def _date_field(days: int, field: int) -> int:
    shifted = days + _EPOCH_FROM_MARCH_0
    era = shifted // _ERA_DAYS
    day_of_era = shifted - era * _ERA_DAYS
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    if field == _DAY:
        return day
    if field == _MONTH:
        return month
    if day_of_year >= 306:  # January and February belong to the next calendar year
        return day_of_year - 305
    leap = (year_of_era % 4 == 0 and year_of_era % 100 != 0) or year_of_era % 400 == 0
    return day_of_year + 60 + (1 if leap else 0)


@kernel
def write_encoded(field: Integers, table: Matrix, slots: Positions, out: Matrix) -> None:
    """Write `table[field]` into columns of the matrix; see the reference."""
    for row in range(len(field)):
        for column in range(len(slots)):
            out[row, slots[column]] = table[field[row], column]


@kernel
def shift_to_local(utc: Times, transitions: Times, offsets: Integers) -> Times:
    """Local clock times; see the reference. Complexity: O(n log transitions), O(n) for times in order."""
    local = np.empty(len(utc), dtype=np.int64)
    passed = 0
    for row in range(len(utc)):
        if (passed > 0 and utc[row] < transitions[passed - 1]) or (
            passed < len(transitions) and utc[row] >= transitions[passed]
        ):
            passed = np.searchsorted(transitions, utc[row], side="right")
        local[row] = utc[row] + offsets[passed]
    return local
