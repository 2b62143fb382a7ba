"""Value columns of a bucket, ready for the sums and extremes of any windows over them."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import ValueColumn
from headrace_kernels.cpu.jit import kernel, multiply_high
from headrace_kernels.cpu.scaling import ScaledColumn, scale_column
from headrace_kernels.dtypes import Flags, Floats, Integers

Unsigned = npt.NDArray[np.uint64]
Kinds = npt.NDArray[np.int8]
Marks = npt.NDArray[np.int64]

MOST_LEVELS = 7
_NULL, _FINITE, _NAN = 0, 1, 2
_NO_FLAGS: Flags = np.zeros(0, dtype=np.bool_)


class SummedColumn:
    """A value column of a bucket, ready for the sums and extremes of any windows over it.

    Attributes:
        column: the values, by place.
        kinds: int8[n_events]: 0 null, 1 finite, 2 NaN, 3 +Inf, 4 -Inf; int8[0] where all are finite.
        marks: int64[4, n_events + 1], prefix counts of values that are not null, NaN, +Inf, -Inf; int64[4, 0] where all
            are finite.
    """

    def __init__(self, column: ValueColumn) -> None:
        self.column = column
        values, valid = column.values, _NO_FLAGS if column.valid is None else column.valid
        kinds = np.empty(len(values), dtype=np.int8)
        if values.dtype.kind == "i":
            plain = column.valid is None or bool(valid.all())
            kinds[:] = _FINITE if column.valid is None else valid
        else:
            plain = bool(_classify(self.floats, valid, kinds))
        self.kinds = kinds[:0] if plain else kinds
        self.marks: Marks = np.zeros((4, 0 if plain else len(values) + 1), dtype=np.int64)
        if not plain:
            _count_kinds(kinds, self.marks)
        self._stretches: tuple[Floats, Floats, int] | None = None

    @cached_property
    def scaled(self) -> ScaledColumn:
        """The values as integers."""
        return scale_column(self.column, self.kinds == _FINITE)

    @cached_property
    def sums(self) -> tuple[Integers, Unsigned, Unsigned]:
        """Prefix sums of the integers, and of their squares (low and high half), modulo 2**64 and 2**128."""
        n_sums = len(self.column.values) + 1
        sums = np.empty(n_sums, dtype=np.int64)
        low, high = np.empty(n_sums, dtype=np.uint64), np.empty(n_sums, dtype=np.uint64)
        _accumulate(self.scaled.integers, sums, low, high)
        return sums, low, high

    @cached_property
    def floats(self) -> Floats:
        """The values as float64[n_events]."""
        return self.column.values.astype(np.float64, copy=False)

    def stretches(self, levels: int) -> tuple[Floats, Floats]:
        """Smallest and largest of the 2**level values from each place on: float64[MOST_LEVELS, n_events] each.

        Nulls and NaN take no part; what would reach beyond the end, and levels not asked for yet, are not filled.
        Several threads may ask at once: arrays and how far they are filled are kept and replaced as one.
        """
        lows, highs, filled = self._stretches or (*self._first_stretches(), 1)
        for level in range(filled, levels):
            half = 1 << (level - 1)
            end = max(len(self.floats) - 2 * half + 1, 0)
            for each, extreme in ((lows, np.minimum), (highs, np.maximum)):
                extreme(each[level - 1, :end], each[level - 1, half : half + end], out=each[level, :end])
        self._stretches = lows, highs, max(filled, levels)
        return lows, highs

    def _first_stretches(self) -> tuple[Floats, Floats]:
        missing = (self.kinds == _NULL) | (self.kinds == _NAN) if len(self.kinds) else None
        return _first_stretch(self.floats, missing, np.inf), _first_stretch(self.floats, missing, -np.inf)

    def above(self, threshold: float) -> Integers:
        """Prefix counts of the values greater than a threshold: int64[n_events + 1]."""
        values = self.column.values
        more = values > (math.floor(threshold) if values.dtype.kind == "i" else threshold)
        if len(self.kinds):
            more &= self.kinds != _NULL
        return np.concatenate([[0], np.cumsum(more)])


def _first_stretch(values: Floats, missing: Flags | None, neutral: float) -> Floats:
    stretches = np.empty((MOST_LEVELS, len(values)), dtype=np.float64)
    stretches[0] = values if missing is None else np.where(missing, neutral, values)
    return stretches


@kernel
def _classify(values: Floats, valid: Flags, kinds: Kinds) -> bool:
    """Write each value's kind; whether all are finite."""
    plain = True
    for place in range(len(values)):
        kind = 1
        if len(valid) > 0 and not valid[place]:
            kind = 0
        elif not np.isfinite(values[place]):
            kind = 2 if np.isnan(values[place]) else 3 if values[place] > 0 else 4
        kinds[place] = kind
        plain = plain and kind == 1
    return plain


@kernel
def _count_kinds(kinds: Kinds, marks: Marks) -> None:
    for place in range(len(kinds)):
        kind = kinds[place]
        marks[0, place + 1] = marks[0, place] + (kind != 0)
        marks[1, place + 1] = marks[1, place] + (kind == 2)
        marks[2, place + 1] = marks[2, place] + (kind == 3)
        marks[3, place + 1] = marks[3, place] + (kind == 4)


@kernel
def _accumulate(scaled: Integers, sums: Integers, low: Unsigned, high: Unsigned) -> None:
    """Prefix sums of integers modulo 2**64, of their squares modulo 2**128."""
    total, total_low, total_high = np.int64(0), np.uint64(0), np.uint64(0)
    sums[0], low[0], high[0] = total, total_low, total_high
    for place in range(len(scaled)):
        total += scaled[place]
        size = np.uint64(abs(scaled[place]))
        square = size * size
        total_low += square
        total_high += multiply_high(size, size) + (np.uint64(1) if total_low < square else np.uint64(0))
        sums[place + 1], low[place + 1], high[place + 1] = total, total_low, total_high
