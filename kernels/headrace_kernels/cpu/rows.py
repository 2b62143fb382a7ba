"""Move rows: a table's values into a bucket's order, a bucket's results into the matrix."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from headrace_kernels.cpu.jit import kernel, prefetch
from headrace_kernels.dtypes import Floats, Positions

_AHEAD = 16


@kernel
def take_rows(values: npt.NDArray[Any], rows: Positions, out: npt.NDArray[Any]) -> None:
    """Copy `values[rows]`; see the reference. Complexity: O(rows)."""
    for place in range(len(rows)):
        out[place] = values[rows[place]]


@kernel
def write_rows(block: Floats, rows: Positions, slots: Positions, out: npt.NDArray[Any]) -> None:
    """Write columns of a bucket into rows of the matrix, rounded once to its dtype; see the reference.

    A bucket's rows lie all over the matrix: the lines of later ones are asked for while one is written.
    Complexity: O(rows * columns).
    """
    for place in range(len(rows)):
        if place + _AHEAD < len(rows):
            prefetch(out, rows[place + _AHEAD])
        row = rows[place]
        for column in range(len(slots)):
            out[row, slots[column]] = block[column, place]
