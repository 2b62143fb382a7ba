"""How often each value comes: all of them while they are few, the frequent ones with an error bound afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

EXACT_VALUES = 4_096


class Frequencies:
    """Counts of at most EXACT_VALUES values.

    Invariants: `keys` ascend strictly; while `error` is 0 they are all values there were, with their exact counts.
    Afterwards a count is at most its value's true one, and at least that less `error`; a value that is absent came at
    most `error` times. `error` is at most a 4,097th of the number of values, and far less where blocks of rows hold
    many different ones. Merging in another order gives other counts within the same bounds.

    Reference: Agarwal et al., Mergeable summaries (2013), section 3: Misra-Gries with merges.
    """

    def __init__(self, keys: npt.NDArray[Any]) -> None:
        self.keys = keys[:0]
        self.counts: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.error = 0

    @property
    def exact(self) -> bool:
        """Whether these are all values, with their exact counts."""
        return self.error == 0

    def add(self, keys: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> None:
        """Count values.

        Args:
            keys: of the sketch's dtype, [n], ascending strictly, no NaN.
            counts: int64[n], how often each comes.
        """
        if not self.exact:
            keys, counts = self._reduced(keys, counts)
        if not len(keys):
            return
        places = np.searchsorted(self.keys, keys)
        inside = places < len(self.keys)
        known = inside.copy()
        known[inside] = self.keys[places[inside]] == keys[inside]
        self.counts[places[known]] += counts[known]
        if not known.all():
            fresh = ~known
            self.counts = np.insert(self.counts, places[fresh], counts[fresh])
            self.keys = np.insert(self.keys, places[fresh], keys[fresh])

    def reduce(self) -> None:
        """Let go of rare values until at most EXACT_VALUES are left; the sketch is no longer exact where any went."""
        self.keys, self.counts = self._reduced(self.keys, self.counts)

    def merge(self, other: Frequencies) -> None:
        """Add the other's counts, and its error."""
        self.error += other.error
        self.add(other.keys, other.counts)

    def top(self, number: int) -> npt.NDArray[np.int64]:
        """Positions of the most frequent values, most frequent first, ties in the order of the keys: int64[<= number].

        Args:
            number: how many at most.
        """
        return np.lexsort((np.arange(len(self.counts)), -self.counts))[:number]

    def _reduced(
        self, keys: npt.NDArray[Any], counts: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        surplus = len(keys) - EXACT_VALUES
        if surplus <= 0:
            return keys, counts
        repeated = counts > 1
        many = int(np.count_nonzero(repeated)) > EXACT_VALUES
        level = int(np.partition(counts, surplus - 1)[surplus - 1]) if many else 1
        self.error += level
        kept = counts > level if many else repeated
        return keys[kept], counts[kept] - level
