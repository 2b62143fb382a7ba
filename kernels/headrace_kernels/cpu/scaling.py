"""Value columns made ready for exact sums, once for every key they are grouped by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headrace_kernels.arrays import ExactRangeError, ValueColumn
from headrace_kernels.cpu import moments
from headrace_kernels.dtypes import Flags, Floats, Integers

LIMIT = 2**63
_NOTHING_NULL: Flags = np.zeros(0, dtype=np.bool_)


@dataclass(frozen=True)
class ScaledColumn:
    """A value column, and what window passes need of it.

    Attributes:
        values: float64[n_rows]; what stands under a null is ignored.
        scaled: int64[n_rows], values in steps of 2**-bits; int64[0] where no sum is asked for.
        valid: bool[n_rows], or bool[0] where nothing is null.
        above: bool[n_thresholds, n_rows], whether a value is greater than each threshold.
        thresholds: the thresholds, in the order of `above`.
        special: whether there may be NaN or infinite values.
        largest: largest magnitude of `scaled`.
        bits: binary digits kept after the point.
    """

    values: Floats
    scaled: Integers
    valid: Flags
    above: npt.NDArray[np.bool_]
    thresholds: tuple[float, ...]
    special: bool
    largest: int
    bits: int

    @property
    def unit(self) -> float:
        """Size of one step."""
        return 2.0**-self.bits


def scale_column(column: ValueColumn, index: int, *, sums: bool, thresholds: Sequence[float] = ()) -> ScaledColumn:
    """Round a column to its resolution and compare it with its thresholds.

    Args:
        column: the values.
        index: the column's number, for the error.
        sums: whether sums of it are asked for; without, nothing is rounded and nothing can leave the range.
        thresholds: thresholds of shares.

    Raises:
        ExactRangeError: a value does not fit 64 bits at the column's resolution.
    """
    valid = _NOTHING_NULL if column.valid is None or bool(column.valid.all()) else column.valid
    if column.values.dtype.kind == "i":
        limits: list[float] = [math.floor(threshold) for threshold in thresholds]
        floats = column.values.astype(np.float64)
        scaled = column.values.astype(np.int64, copy=False)
        special, largest = False, _largest(scaled, valid) if sums else 0
    else:
        limits = list(thresholds)
        floats = np.ascontiguousarray(column.values, dtype=np.float64)
        scaled, special, largest = _scale(floats, valid, column.bits, index, sums=sums)
    above = np.stack([column.values > limit for limit in limits]) if limits else np.zeros((0, 0), dtype=np.bool_)
    return ScaledColumn(floats, scaled, valid, above, tuple(thresholds), special, largest, column.bits)


def _scale(values: Floats, valid: Flags, bits: int, index: int, *, sums: bool) -> tuple[Integers, bool, int]:
    if not sums:
        return np.zeros(0, dtype=np.int64), not bool(np.isfinite(values).all()), 0
    scaled = np.empty(len(values), dtype=np.int64)
    with np.errstate(over="ignore"):
        special, bad, largest = moments.scale(values, valid, 2.0**bits, scaled)
    if bad >= 0:
        raise ExactRangeError(
            f"the value {values[bad]!r} at row {bad} does not fit 64 bits at a resolution of 2**{-bits}", index
        )
    return scaled, special > 0, int(largest)


def _largest(values: Integers, valid: Flags) -> int:
    kept = values[valid] if len(valid) else values
    return max(abs(int(kept.min())), abs(int(kept.max()))) if len(kept) else 0
