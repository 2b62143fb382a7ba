"""Exact numbers: values become integers at a declared resolution once, and nothing is rounded until the end."""

from __future__ import annotations

import math
from fractions import Fraction

LIMIT = 2**63


def to_integer(value: float, bits: int) -> int:
    """The value in steps of 2**-bits, ties to even.

    Raises:
        OverflowError: the integer does not fit 64 bits with its sign.
    """
    scaled = round(Fraction(value) * Fraction(2) ** bits)
    if abs(scaled) >= LIMIT:
        raise OverflowError(f"{value!r} at a resolution of 2**{-bits} does not fit 64 bits")
    return scaled


def mean(total: int, count: int, bits: int) -> float:
    """Total / count in units of 2**-bits. Rounded when the sum becomes a float64 and when it is divided."""
    return float(total) / float(count) * 2.0**-bits


def variance(total: int, squares: int, count: int, bits: int) -> float:
    """Sample variance from exact sums: the numerator n*Q - S*S is exact, then rounded to float64, then divided."""
    return float(count * squares - total * total) / float(count * (count - 1)) * 2.0 ** (-2 * bits)


def deviation(total: int, squares: int, count: int, bits: int) -> float:
    """Square root of the sample variance."""
    return math.sqrt(variance(total, squares, count, bits))
