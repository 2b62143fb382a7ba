"""Wavelet matrices on the device: how many values of a range are below a bound, and which is the k-th smallest.

A level keeps one bit of every value, the highest first, and orders the values by that bit before the next. A question
walks down the levels with two ranks each, whatever the range's length: O(levels), 32 bytes read a level and bound.
A level takes a quarter of a byte a value; building it moves 13 bytes a value.

Reference: F. Claude, G. Navarro, A. Ordóñez, "The wavelet matrix: An efficient wavelet tree for large alphabets",
Information Systems 47, 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace_kernels.cuda import device, scan
from headrace_kernels.cuda.device import DeviceArray
from headrace_kernels.cuda.source import Source

SOURCE = Source("wavelet")
_WORD = 64
_WARP = 32


@dataclass(frozen=True)
class Wavelet:
    """A wavelet matrix; `arguments` are what kernels that include `wavelet.cuh` take for it.

    Attributes:
        words: uint64[n_levels, n_words, 2]: 64 bits, and the ones before them.
        zeros: int64[n_levels].
    """

    words: DeviceArray
    zeros: DeviceArray

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The words, words of a level, levels, and the zeros of each."""
        n_levels, n_words, _ = self.words.shape
        return self.words, n_words, n_levels, self.zeros

    def count_below(self, first: DeviceArray, last: DeviceArray, bounds: DeviceArray) -> DeviceArray:
        """How many of the values in [first, last) are below each bound. Complexity: O(n * levels).

        Args:
            first: int64[n], places.
            last: int64[n], places, none before `first`.
            bounds: int64[n], none below zero.

        Returns:
            int64[n].
        """
        return self._ask("count_below", first, last, bounds)

    def find(self, first: DeviceArray, last: DeviceArray, smaller: DeviceArray) -> DeviceArray:
        """The value with so many before it among those in [first, last), ascending. Complexity: O(n * levels).

        Args:
            first: int64[n], places.
            last: int64[n], places.
            smaller: int64[n], fewer than the values of the range.

        Returns:
            int64[n].
        """
        return self._ask("find_values", first, last, smaller)

    def _ask(self, kernel: str, first: DeviceArray, last: DeviceArray, numbers: DeviceArray) -> DeviceArray:
        answers = device.empty(len(first), np.int64)
        SOURCE.launch(kernel, len(first), *self.arguments, first, last, numbers, len(first), answers)
        return answers


def build_wavelet(values: DeviceArray, n_levels: int) -> Wavelet:
    """Build the matrix of some values. Complexity: O(n * levels); working memory 4 bytes a value beside `values`.

    Args:
        values: uint32[n], below 2**n_levels; overwritten.
        n_levels: from 0 to 32.
    """
    count = len(values)
    n_words = count // _WORD + 1  # the last one says how many ones there are in all
    words, zeros = device.empty((n_levels, n_words, 2), np.uint64), device.empty(n_levels, np.int64)
    counts, spare = device.empty(n_words, np.int64), device.empty(count, np.uint32)
    for level in range(n_levels):
        shift, threads = n_levels - 1 - level, n_words * _WARP
        SOURCE.launch("mark_level", threads, values, count, shift, words[level], n_words, counts)
        before = scan.prefix_sums(counts)
        moved = spare if shift else None
        SOURCE.launch("move_level", threads, values, count, words[level], n_words, before, level, zeros, moved)
        values, spare = spare, values
    return Wavelet(words, zeros)


def longest_group(starts: DeviceArray) -> int:
    """Events of the largest group; waits for the device.

    Args:
        starts: int64[n_keys + 1].
    """
    longest = device.zeros(1, np.int64)
    SOURCE.launch("measure_groups", len(starts) - 1, starts, len(starts) - 1, longest)
    return int(device.get(longest)[0])
