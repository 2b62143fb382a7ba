"""Calendar fields of a local time, with the standard library's calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from headrace_kernels.arrays import CalendarField
from headrace_kernels.dtypes import Integers, Matrix, Positions, Times


def calendar_field(local: Times, field: int) -> Integers:
    """One calendar field of each local time.

    Args:
        local: int64[n], microseconds since 1970-01-01 00:00 on the local clock.
        field: a `CalendarField`.

    Returns:
        int64[n]: minute 0-59, minute of day 0-1439, hour 0-23, weekday 0-6 from Monday, day 1-31, month 1-12, day of
        year 1-366.
    """
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return np.array([_field(epoch + timedelta(microseconds=int(value)), field) for value in local], dtype=np.int64)


def write_encoded(field: Integers, table: Matrix, slots: Positions, out: Matrix) -> None:
    """Write `table[field]` into columns of the matrix.

    Args:
        field: int64[n_rows], a field's value, a row of `table`.
        table: float32[n_values, n_columns], what each value becomes.
        slots: int64[n_columns], the matrix's columns.
        out: float32[n_rows, n_features], C-contiguous.
    """
    for row, value in enumerate(field):
        for column, slot in enumerate(slots):
            out[row, slot] = table[value, column]


def shift_to_local(utc: Times, transitions: Times, offsets: Integers) -> Times:
    """Local clock times: each time plus the offset that holds from the last transition at or before it.

    Args:
        utc: int64[n].
        transitions: int64[n_transitions], ascending, UTC.
        offsets: int64[n_transitions + 1], microseconds; the first holds before the first transition.
    """
    passed = [sum(1 for transition in transitions if transition <= value) for value in utc]
    return np.array([int(value) + int(offsets[count]) for value, count in zip(utc, passed, strict=True)], np.int64)


def _field(moment: datetime, field: int) -> int:
    return {
        CalendarField.MINUTE: moment.minute,
        CalendarField.MINUTE_OF_DAY: moment.hour * 60 + moment.minute,
        CalendarField.HOUR: moment.hour,
        CalendarField.WEEKDAY: moment.weekday(),
        CalendarField.DAY: moment.day,
        CalendarField.MONTH: moment.month,
        CalendarField.DAY_OF_YEAR: moment.timetuple().tm_yday,
    }[CalendarField(field)]
