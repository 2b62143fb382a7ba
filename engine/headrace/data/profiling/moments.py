"""Mean, spread and shape of a column in one pass, from sums that neither overflow nor underflow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.core.hashing import finite_or_none

_CACHED = 8_192  # values whose temporary arrays stay in a core's own cache: twice as fast as a block at once


@dataclass(frozen=True, slots=True)
class Moments:
    """Central moments up to the fourth of finite values, in units of a power of two.

    The unit is the smallest power of two above the largest magnitude: sums of fourth powers stay between 0 and the
    number of values, for the largest floats as for subnormal ones.

    Error: about 1e-15 times the square root of the number of blocks, relative to the largest magnitude (mean, standard
    deviation); the pairwise formulas subtract no large sums from each other.
    Reference: Pebay, Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical
    moments, SAND2008-6212, equations 3.1 and 3.2.

    Attributes:
        count: number of values.
        exponent: the unit is 2 ** exponent.
        mean, second, third, fourth: mean, and sums of powers of the distances from it, in the unit.
    """

    count: int = 0
    exponent: int = -1074
    mean: float = 0.0
    second: float = 0.0
    third: float = 0.0
    fourth: float = 0.0

    @classmethod
    def of(cls, values: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> Moments:
        """Moments of distinct values that come `counts` times each.

        Args:
            values: float64[n] or int64[n], finite, ascending.
            counts: int64[n], positive.
        """
        if len(values) > _CACHED:
            whole = cls()
            for start in range(0, len(values), _CACHED):
                whole += cls.of(values[start : start + _CACHED], counts[start : start + _CACHED])
            return whole
        if not len(values):
            return cls()
        largest = max(abs(float(values[0])), abs(float(values[-1])))
        exponent = max(math.frexp(largest)[1], -1074)
        scaled = in_unit(values.astype(np.float64), exponent)
        rows = int(counts.sum())
        weights = None if rows == len(values) else counts.astype(np.float64)
        mean = _sum(scaled, weights) / rows
        mean += _sum(scaled - mean, weights) / rows  # what the first sum's rounding left
        distances = scaled - mean
        squares = distances * distances
        weighted = squares if weights is None else squares * weights
        return cls(
            rows, exponent, mean, float(weighted.sum()), float((weighted * distances).sum()),
            float((weighted * squares).sum()),
        )  # fmt: skip

    def __add__(self, other: Moments) -> Moments:
        """Moments of both sets of values together."""
        if not self.count or not other.count:
            return self if self.count else other
        exponent = max(self.exponent, other.exponent)
        a, b = self._in_unit(exponent), other._in_unit(exponent)
        count = a.count + b.count
        gap = b.mean - a.mean
        left, right = a.count / count, b.count / count
        both = a.count * right
        return Moments(
            count,
            exponent,
            a.mean + gap * right,
            a.second + b.second + gap**2 * both,
            a.third + b.third + gap**3 * both * (left - right) + 3 * gap * (left * b.second - right * a.second),
            a.fourth
            + b.fourth
            + gap**4 * both * (left * left - left * right + right * right)
            + 6 * gap**2 * (left * left * b.second + right * right * a.second)
            + 4 * gap * (left * b.third - right * a.third),
        )

    @property
    def average(self) -> float | None:
        """Arithmetic mean; None without values."""
        return finite_or_none(math.ldexp(self.mean, self.exponent)) if self.count else None

    @property
    def std(self) -> float | None:
        """Standard deviation, population form; None without values."""
        if not self.count:
            return None
        return finite_or_none(math.ldexp(math.sqrt(max(self.second, 0.0) / self.count), self.exponent))

    @property
    def skewness(self) -> float | None:
        """Third standardised moment, population form; None where nothing varies."""
        spread = self._spread()
        return None if spread is None else finite_or_none(self.third / self.count / spread**3)

    @property
    def kurtosis(self) -> float | None:
        """Fourth standardised moment less 3, population form; None where nothing varies."""
        spread = self._spread()
        return None if spread is None else finite_or_none(self.fourth / self.count / spread**4 - 3.0)

    def _spread(self) -> float | None:
        """Standard deviation in the unit; None where it is rounding alone, whose powers say nothing."""
        if not self.count:
            return None
        spread = math.sqrt(max(self.second, 0.0) / self.count)
        return spread if spread > 1e-14 * abs(self.mean) and spread > 1e-70 else None

    def _in_unit(self, exponent: int) -> Moments:
        down = self.exponent - exponent
        if not down:
            return self
        scaled = (self.mean, self.second, self.third, self.fourth)
        return Moments(
            self.count, exponent, *(math.ldexp(value, down * power) for power, value in enumerate(scaled, start=1))
        )


def in_unit(values: npt.NDArray[np.float64], exponent: int) -> npt.NDArray[np.float64]:
    """Values divided by 2 ** exponent, exactly; several times faster than `ldexp` where the power is a float."""
    return values * math.ldexp(1.0, -exponent) if abs(exponent) < 1000 else np.ldexp(values, -exponent)


def _sum(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64] | None) -> float:
    return float((values if weights is None else values * weights).sum())
