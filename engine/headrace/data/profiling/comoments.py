"""Correlations of every pair of numeric columns in one pass, over the rows where both have a finite value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from headrace.data.profiling.arrays import valid_of, view_of
from headrace.data.profiling.moments import in_unit

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_ROWS = 8_192
"""Rows to `add` at a time: 20 columns of them stay in a core's cache."""

_BLAS_WORK = 200_000
"""Multiplications one matrix product may hold: below OpenBLAS' limit for threads, which wait for each other on a busy
machine (500 ms where one thread takes 3) and would make the sums depend on their number."""

Square = npt.NDArray[np.float64]
"""float64[p, p]; entry [i, j] is over rows where columns i and j both have a value."""


class Comoments:
    """Pairwise means, squares and products of the distances from them, in units of a power of two a column.

    `merge` and `add` combine blocks by the pairwise formula, so that a large mean costs no digits; values of any size
    neither overflow nor vanish. Memory and time a row: O(p * p).

    Reference: Pebay, SAND2008-6212, equation 3.1 and section 3.3.
    """

    def __init__(self, columns: int) -> None:
        self._exponents = np.full(columns, -1074, dtype=np.int64)
        zeros = np.zeros((columns, columns))
        self._rows, self._means, self._squares, self._products = zeros, zeros, zeros, zeros

    def add(self, block: npt.NDArray[np.float64]) -> None:
        """Add rows.

        Args:
            block: float64[p, n], C-contiguous, one row a column; NaN or Inf: no value. Overwritten.
        """
        other = Comoments(len(block))
        finite = np.isfinite(block)
        partial = np.flatnonzero(~finite.all(axis=1))
        for column in partial:
            block[column][~finite[column]] = 0.0
        largest = np.maximum(block.max(axis=1, initial=0.0), -block.min(axis=1, initial=0.0))
        other._exponents = np.maximum(np.frexp(largest)[1], -1074).astype(np.int64)
        for row, exponent in zip(block, other._exponents.tolist(), strict=True):
            row[:] = in_unit(row, exponent)
        counts = finite.sum(axis=1)
        shifts = block.sum(axis=1) / np.maximum(counts, 1)
        block -= shifts[:, None]
        for column in partial:
            block[column][~finite[column]] = 0.0
        other._set(block, finite[partial].astype(np.float64), partial, shifts)
        self.merge(other)

    def merge(self, other: Comoments) -> None:
        """Add the other's rows: the same columns in the same order."""
        exponents = np.maximum(self._exponents, other._exponents)
        a, b = self._in_units(exponents), other._in_units(exponents)
        rows = a[0] + b[0]
        share = np.divide(b[0], rows, out=np.zeros_like(rows), where=rows > 0)
        gap = b[1] - a[1]
        both = a[0] * share
        self._exponents = exponents
        self._rows = rows
        self._means = a[1] + gap * share
        self._squares = a[2] + b[2] + gap * gap * both
        self._products = a[3] + b[3] + gap * gap.T * both

    def correlations(self) -> list[list[float | None]]:
        """Pearson's coefficients, [p][p]: None where fewer than two rows have both, or one of them does not vary."""
        spread = np.sqrt(self._squares * self._squares.T)
        noise = 1e-28 * self._rows * (self._means**2 + 1e-300)  # rounding of a column that does not vary
        varies = (self._squares > noise) & (self._squares > noise).T & (self._rows > 1) & (spread > 0)
        found = np.clip(np.divide(self._products, spread, out=np.zeros_like(spread), where=varies), -1.0, 1.0)
        return [
            [round(float(value), 9) if known else None for value, known in zip(values, known_, strict=True)]
            for values, known_ in zip(found, varies, strict=True)
        ]

    def _set(
        self,
        block: npt.NDArray[np.float64],
        masks: npt.NDArray[np.float64],
        partial: npt.NDArray[np.intp],
        shifts: npt.NDArray[np.float64],
    ) -> None:
        """Fill in from a block that is shifted, with zeros for what is missing, and the masks of partial columns."""
        columns, n_rows = block.shape
        products, sums = np.zeros((columns, columns)), np.zeros((columns, len(partial)))
        squares, rows = np.zeros_like(sums), np.zeros((len(partial), len(partial)))
        step = max(16, _BLAS_WORK // max(1, columns * columns))
        for start in range(0, n_rows, step):
            part, mask = block[:, start : start + step], masks[:, start : start + step]
            products += part @ part.T
            if len(partial):
                sums += part @ mask.T
                squares += (part * part) @ mask.T
                rows += mask @ mask.T
        own = np.full(columns, float(n_rows))
        own[partial] = masks.sum(axis=1)
        self._rows = np.minimum(own[:, None], own[None, :])
        self._rows[np.ix_(partial, partial)] = rows
        all_sums = np.repeat(block.sum(axis=1)[:, None], columns, axis=1)
        all_sums[:, partial] = sums
        all_squares = np.repeat(products.diagonal()[:, None], columns, axis=1)
        all_squares[:, partial] = squares
        weight = np.maximum(self._rows, 1.0)
        means = all_sums / weight
        self._means = (means + shifts[:, None]) * (self._rows > 0)
        self._squares = np.maximum(all_squares - means * all_sums, 0.0)
        self._products = products - means * means.T * weight

    def _in_units(self, exponents: npt.NDArray[np.int64]) -> tuple[Square, Square, Square, Square]:
        down = self._exponents - exponents
        own, pair = np.ldexp(1.0, down)[:, None], np.ldexp(1.0, np.add.outer(down, down))
        return self._rows, self._means * own, self._squares * (own * own), self._products * pair


def as_floats(columns: Sequence[pa.Array]) -> npt.NDArray[np.float64]:
    """Numeric Arrow arrays of one length as float64[p, n]; null becomes NaN."""
    import pyarrow as pa
    import pyarrow.compute as pc

    block = np.empty((len(columns), len(columns[0]) if columns else 0))
    for row, column in zip(block, columns, strict=True):
        plain = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        if plain and not pa.types.is_float16(column.type):
            row[:] = view_of(column)
        else:
            row[:] = view_of(pc.cast(column, pa.float64(), safe=False))
        if column.null_count:
            row[~valid_of(column)] = np.nan
    return block
