"""Columns that rise from row to row: their values are distinct, and seeing so is cheaper than counting them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_FIRST_ROWS = 1_000


def strictly_rising(values: pl.Series) -> bool:
    """Whether each value is above the one before, without nulls; False for columns that are neither integers nor times.

    A column that is not seldom rises for its first 1,000 rows, so that most cost nothing.
    """
    if not (values.dtype.is_integer() or values.dtype.is_temporal()) or values.null_count():
        return False
    return _rises(values.head(_FIRST_ROWS)) and _rises(values)


def _rises(values: pl.Series) -> bool:
    return bool((values.head(-1) < values.tail(-1)).all())
