"""Move rows: a table's values into a bucket's order, a bucket's results into the matrix."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from headrace_kernels.dtypes import Floats, Positions


def take_rows(values: npt.NDArray[Any], rows: Positions, out: npt.NDArray[Any]) -> None:
    """Copy `values[rows]`.

    Args:
        values: float64, int64, int32, int8 or bool[n_rows].
        rows: int64[n], rows of the table.
        out: the same dtype[n].
    """
    for place, row in enumerate(rows):
        out[place] = values[row]


def write_rows(block: Floats, rows: Positions, slots: Positions, out: npt.NDArray[Any]) -> None:
    """Write columns of a bucket into rows of the matrix, rounded once to its dtype.

    Args:
        block: float64[n_columns, n], a column a row.
        rows: int64[n], rows of the matrix.
        slots: int64[n_columns], the matrix's column of each.
        out: float32 or float64[n_rows, n_features], C-contiguous.
    """
    for place, row in enumerate(rows):
        for column, slot in enumerate(slots):
            out[row, slot] = block[column, place]
