"""Ranks of a column in one pass: a few thousand of its values, each standing for a power of two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

LEVEL_ITEMS = 8_192
RANK_ERROR = 0.001
"""No quantile is off by more than this share of the values; the standard error is 0.02 % (see QuantileSketch)."""
_WORD = (1 << 64) - 1


class QuantileSketch:
    """Levels of values; one on level h stands for 2 ** h values of the column.

    A level that is full is sorted, and every second value of it goes one level up; whether the first or the second of
    each pair is decided by a hash of the values themselves, so that equal rows in equal order give equal sketches. The
    weights of all values add up to their number, exactly.

    Error: each halving on level h moves a rank by 0 or 2 ** h, in either direction alike; at most n / (8192 * 2 ** h)
    halvings happen there. The variance of a rank is then at most 2 (n / 8192) ** 2 / 2: a standard error of 0.012 % of
    n. RANK_ERROR is eight times that. Merging sketches keeps the bound, whatever the order.
    Memory: 64 KiB a level; log2(n / 8192) levels.

    Reference: Karnin, Lang, Liberty, Optimal quantile approximation in streams (2016); Agarwal et al., Mergeable
    summaries (2013), section 4. Here all levels have one size, which keeps the tails as good as the middle.
    """

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._none = values[:0]
        self._levels: list[list[npt.NDArray[Any]]] = []
        self._sizes: list[int] = []

    def add_sorted(self, values: npt.NDArray[Any]) -> None:
        """Add values: float64[n] or int64[n], ascending, finite. O(n) without the levels' sorting."""
        level = max(0, len(values) // (LEVEL_ITEMS // 2))
        level = max(0, level.bit_length() - 1)
        kept = len(values) >> level
        offset = self._coin(values, level)
        self._put(level, values[offset : kept << level : 1 << level].copy())
        self._put(0, values[kept << level :].copy())

    def add_counted(self, values: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> None:
        """Add values that come `counts` times: ascending strictly, finite; exact, at one item a bit of each count."""
        for level in range(int(counts.max(initial=0)).bit_length()):
            self._put(level, values[(counts >> level) & 1 == 1])

    def merge(self, other: QuantileSketch) -> None:
        """Add the other's values."""
        for level, arrays in enumerate(other._levels):
            for array in arrays:
                self._put(level, array)

    def ranked(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """The values kept, ascending, and how many of the column's are at or below each: [m], int64[m]."""
        if not self._levels:
            return self._none, np.zeros(0, dtype=np.int64)
        values = np.concatenate([self._none, *(array for arrays in self._levels for array in arrays)])
        weights = np.repeat(np.int64(1) << np.arange(len(self._sizes), dtype=np.int64), self._sizes)
        order = np.argsort(values, kind="stable")
        return values[order], np.cumsum(weights[order])

    def _put(self, level: int, values: npt.NDArray[Any]) -> None:
        if not len(values):
            return
        while len(self._levels) <= level:
            self._levels.append([])
            self._sizes.append(0)
        self._levels[level].append(values)
        self._sizes[level] += len(values)
        if self._sizes[level] >= LEVEL_ITEMS:
            full = np.sort(np.concatenate(self._levels[level]))
            even = len(full) & ~1
            self._levels[level] = [full[even:].copy()] if even < len(full) else []
            self._sizes[level] = len(full) - even
            self._put(level + 1, full[self._coin(full, 1) : even : 2].copy())

    def _coin(self, values: npt.NDArray[Any], bits: int) -> int:
        """An offset below 2 ** bits, from the values: SplitMix64 over the ends, the middle and the number of them."""
        if not bits:
            return 0
        state = len(values)
        for place in (0, len(values) // 3, len(values) // 2, -1):
            state = _mixed(state ^ (int(values[place : place + 1 or None].view(np.uint64)[0])))
        return state >> (64 - bits)


def _mixed(word: int) -> int:
    """SplitMix64's output function. Reference: Steele, Lea, Flood, Fast splittable pseudorandom generators (2014)."""
    word = (word + 0x9E3779B97F4A7C15) & _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)
