"""Write calendar fields: local times once a column and zone, one small table a field."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from headrace.features.definition.calendar_features import FIELD_PERIODS
from headrace.features.executor.local_time import zone_offsets
from headrace.features.plan import CalendarStep
from headrace_kernels.arrays import CalendarField
from headrace_kernels.cpu import cyclic
from headrace_kernels.dtypes import Flags, Matrix, Times

_FIRST_VALUE = {"day": 1, "month": 1, "day_of_year": 1}


def write_calendar(
    times: Times, valid: Flags | None, steps: Sequence[CalendarStep], slots: Sequence[int], out: Matrix
) -> None:
    """Write calendar features of one timestamp column in one zone.

    Args:
        times: int64[n_rows], microseconds UTC; what stands under a null is ignored.
        valid: bool[n_rows], or None where nothing is null; null gives NaN.
        steps: features that share the column and the zone.
        slots: the matrix's column of each.
        out: float32[n_rows, n_features], C-contiguous.

    Raises:
        InvalidInputError: a time is outside the years 1 to 9999.
    """
    if not len(times):
        return
    known = times if valid is None else times[valid]
    if not len(known):
        out[:, list(slots)] = np.nan
        return
    transitions, offsets = zone_offsets(steps[0].tz, int(known.min()), int(known.max()))
    local = cyclic.shift_to_local(times, transitions, offsets)
    for name in dict.fromkeys(step.field for step in steps):
        chosen = [(step, slot) for step, slot in zip(steps, slots, strict=True) if step.field == name]
        field = cyclic.calendar_field(local, int(CalendarField[name.upper()]))
        table = np.ascontiguousarray(np.stack([_encoding(name, step.encoding) for step, _ in chosen], axis=1))
        if valid is not None:
            field[~valid] = len(table) - 1
        cyclic.write_encoded(field, table, np.array([slot for _, slot in chosen], dtype=np.int64), out)


def _encoding(field: str, encoding: str) -> Matrix:
    """What each value of a field becomes: float32[last value + 2], the last entry NaN, for null."""
    period, first = FIELD_PERIODS[field], _FIRST_VALUE.get(field, 0)
    values = range(first + period)
    if encoding == "number":
        encoded = [float(value) for value in values]
    else:
        wave = math.sin if encoding == "sin" else math.cos
        encoded = [wave(2.0 * math.pi * (value - first) / period) for value in values]
    return np.array([*encoded, math.nan], dtype=np.float32)
