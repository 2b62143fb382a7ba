"""Values as integers: multiples of their column's resolution, rounded once."""

from __future__ import annotations

import numpy as np

from headrace_kernels.arrays import ExactRangeError, ValueColumn
from headrace_kernels.cpu.jit import kernel, wrapping
from headrace_kernels.dtypes import Flags, Floats, Integers


def scale_column(column: ValueColumn, kept: Flags, index: int = 0) -> tuple[Integers, int]:
    """Turn values into integers, ties to even.

    Args:
        column: the values, by place.
        kept: bool[n_events], finite values; the others become 0. bool[0] where all are.
        index: which of a kernel's columns it is, for the error.

    Returns:
        int64[n_events], and the largest magnitude.

    Raises:
        ExactRangeError: a value does not fit 64 bits at the column's resolution.
    """
    values = column.values
    if values.dtype.kind == "i":
        scaled: Integers = values.astype(np.int64, copy=False)
        if len(kept):
            scaled = np.where(kept, scaled, 0)
        return scaled, max(abs(int(scaled.min())), abs(int(scaled.max()))) if len(scaled) else 0
    scaled = np.empty(len(values), dtype=np.int64)
    with wrapping():
        bad, largest = _scale(column.values.astype(np.float64, copy=False), kept, 2.0**column.bits, scaled)
    if bad >= 0:
        raise ExactRangeError(
            f"the value {float(values[bad])!r} does not fit 64 bits at a resolution of 2**{-column.bits}", index
        )
    return scaled, int(largest)


@kernel
def _scale(values: Floats, kept: Flags, factor: float, scaled: Integers) -> tuple[int, float]:
    """Place of the first value that does not fit, or -1; largest magnitude."""
    bad, largest = -1, 0.0
    for place in range(len(values)):
        if len(kept) > 0 and not kept[place]:
            scaled[place] = 0
            continue
        step = np.rint(values[place] * factor)
        size = abs(step)
        if size >= 9223372036854775808.0:
            scaled[place] = 0
            bad = place if bad < 0 else bad
            continue
        scaled[place] = np.int64(step)
        largest = max(largest, size)
    return bad, largest
