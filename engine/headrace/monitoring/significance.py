"""Exact small-sample significance without a statistics library: chi-square, binomial rate, Benjamini-Hochberg."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BISECTIONS = 200  # enough to reach adjacent floats from any bracket


def chi_square_tail(value: float, degrees: int) -> float:
    """Give P(X > value) for a chi-square variable.

    The finite series for whole degrees of freedom: no approximation, relative error of a few ulp while the result is
    above the smallest normal float. Complexity: O(degrees).

    Args:
        value: at least 0.
        degrees: at least 1.

    Reference: Abramowitz and Stegun, 26.4.4 and 26.4.5.
    """
    half = value / 2.0
    if degrees % 2 == 0:
        term = math.exp(-half)
        total = term
        for k in range(1, degrees // 2):
            term *= half / k
            total += term
        return total
    total = math.erfc(math.sqrt(half))
    term = math.sqrt(half) * math.exp(-half) / math.gamma(1.5)
    for k in range(1, degrees // 2 + 1):
        total += term
        term *= half / (k + 0.5)
    return total


def chi_square_critical(alpha: float, degrees: int) -> float:
    """Give the value a chi-square variable exceeds with probability alpha, by bisection to the last bit."""
    low, high = 0.0, 1.0
    while chi_square_tail(high, degrees) > alpha:
        high *= 2.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        if not low < middle < high:
            break
        if chi_square_tail(middle, degrees) > alpha:
            low = middle
        else:
            high = middle
    return high


def rate_p_value(hits: int, rows: int, reference_hits: int, reference_rows: int) -> float:
    """Two-sided p-value of two rates being equal: the pooled normal test with continuity correction.

    Needs no exact binomial: windows have at least hundreds of rows. Equal degenerate rates (all or none hit in both)
    give 1. Reference: Fleiss, Statistical Methods for Rates and Proportions, 2.5.
    """
    pooled = (hits + reference_hits) / (rows + reference_rows)
    spread = pooled * (1.0 - pooled) * (1.0 / rows + 1.0 / reference_rows)
    if spread <= 0.0:
        return 1.0
    correction = 0.5 * (1.0 / rows + 1.0 / reference_rows)
    gap = max(0.0, abs(hits / rows - reference_hits / reference_rows) - correction)
    return math.erfc(gap / math.sqrt(2.0 * spread))


def false_discovery_rejections(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Say for each p-value whether it is rejected with the false discovery rate held at alpha.

    Reference: Benjamini and Hochberg (1995), section 3.1. Complexity: O(m log m). Empty input gives an empty list.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    last = 0
    for rank, index in enumerate(order, start=1):
        if p_values[index] <= alpha * rank / len(p_values):
            last = rank
    rejected = [False] * len(p_values)
    for index in order[:last]:
        rejected[index] = True
    return rejected
