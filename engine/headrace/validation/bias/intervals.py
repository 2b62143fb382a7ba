"""Intervals of a share and of a difference of two shares that keep their promise for small groups and near 0 and 1."""

from __future__ import annotations

import math
from statistics import NormalDist

from headrace.core.errors import InvalidInputError


def rate_interval(hits: int, rows: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share; (0, 1) without rows.

    Args:
        hits: rows that count, 0 to `rows`.
        rows: all rows.
        confidence: in (0, 1).

    Raises:
        InvalidInputError: hits or rows are not counts that fit each other.

    Reference: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not 0 <= hits <= rows:
        raise InvalidInputError(f"{hits} of {rows} rows is no share")
    if rows == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = hits / rows
    middle = (rate + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows))
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == rows else min(1.0, middle + half)
    return low, high


def difference_interval(
    hits: int, rows: int, other_hits: int, other_rows: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Newcombe's hybrid score interval of `hits / rows - other_hits / other_rows`; (-1, 1) where either has no rows.

    Raises:
        InvalidInputError: as for `rate_interval`.

    Reference: Newcombe, "Interval estimation for the difference between independent proportions", 1998, method 10.
    """
    low, high = rate_interval(hits, rows, confidence=confidence)
    other_low, other_high = rate_interval(other_hits, other_rows, confidence=confidence)
    if rows == 0 or other_rows == 0:
        return -1.0, 1.0
    rate, other = hits / rows, other_hits / other_rows
    gap = rate - other
    return (
        gap - math.sqrt((rate - low) ** 2 + (other_high - other) ** 2),
        gap + math.sqrt((high - rate) ** 2 + (other - other_low) ** 2),
    )
