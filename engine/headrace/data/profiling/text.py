"""Everything a profile knows about a column of strings: how many, which are frequent, how long they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headrace.data.profiling.arrays import arrow_places, hash_strings, view_of
from headrace.data.profiling.distinct import DistinctSketch
from headrace.data.profiling.frequencies import EXACT_VALUES, Frequencies
from headrace.data.profiling.numbers import Numbers, run_lengths
from headrace_kernels.dtypes import Hashes, Integers

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN_CHARACTERS = 256
_END = np.uint64(0xFFFF)


class Text:
    """Statistics of strings, in any order. Strings are told apart by 64-bit hashes.

    Memory: at most 2 MiB and EXACT_VALUES strings of SHOWN_CHARACTERS.

    Attributes:
        count: number of strings.
        repeated: whether some string was seen twice (within a block of rows, or while the strings were counted).
        lengths: in characters (Unicode code points).
        frequencies: keys are hashes; of all strings, or of the frequent ones.
        distinct_hashes: None while all strings are counted.
        block_distinct: different strings of the one block that was added; None where there were several, or none.
        names: the string behind each key, cut after SHOWN_CHARACTERS.
    """

    def __init__(self) -> None:
        self.count = 0
        self.repeated = False
        self.lengths = Numbers(np.int64)
        self.frequencies = Frequencies(np.zeros(0, dtype=np.uint64))
        self.distinct_hashes: DistinctSketch | None = None
        self.names: dict[int, str] = {}
        self.block_distinct: int | None = None

    def add(self, strings: pa.Array) -> None:
        """Add strings, plain or dictionary-encoded, without nulls."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not len(strings):
            return
        if not pa.types.is_dictionary(strings.type) and self.distinct_hashes is None:
            strings = pc.dictionary_encode(strings)
        if pa.types.is_dictionary(strings.type):
            counts = np.bincount(view_of(strings.indices), minlength=len(strings.dictionary))
            self._add_counted(strings.dictionary, counts)
        else:
            self._add_plain(strings)

    def merge(self, other: Text) -> None:
        """Add the other's strings; the other is not changed."""
        if self.count and other.count:
            self.block_distinct = None
        elif other.count:
            self.block_distinct = other.block_distinct
        self.count += other.count
        self.repeated |= other.repeated
        self.lengths.merge(other.lengths)
        if other.distinct_hashes is not None:
            self._sketch().merge(other.distinct_hashes)
        elif self.distinct_hashes is not None:
            self.distinct_hashes.add(other.frequencies.keys)
        self.frequencies.merge(other.frequencies)
        self.names = {**other.names, **self.names}
        self._settle()

    @property
    def distinct(self) -> tuple[int, bool]:
        """Number of different strings, and whether it is exact."""
        if self.distinct_hashes is None:
            return len(self.frequencies.keys), True
        if self.block_distinct is not None:
            return self.block_distinct, True
        return min(self.distinct_hashes.count, self.count), self.distinct_hashes.exact

    def _add_counted(self, dictionary: pa.Array, counts: Integers) -> None:
        import pyarrow.compute as pc

        used = np.flatnonzero(counts)
        strings, counts = dictionary.take(arrow_places(used)), counts[used]
        lengths = view_of(pc.utf8_length(strings)).astype(np.int64)
        order = np.argsort(lengths, kind="stable")
        values, runs = run_lengths(lengths[order])
        starts = np.concatenate(([0], np.cumsum(runs)[:-1]))
        self.lengths.add_counted(values, np.add.reduceat(counts[order], starts))
        hashes = hash_strings(strings)
        order = np.argsort(hashes, kind="stable")
        keys, runs = run_lengths(hashes[order])  # a dictionary may hold a string twice
        starts = np.concatenate(([0], np.cumsum(runs)[:-1]))
        self._count(keys, np.add.reduceat(counts[order], starts), strings, hashes)

    def _add_plain(self, strings: pa.Array) -> None:
        import pyarrow.compute as pc

        self.lengths.add(view_of(pc.utf8_length(strings)).astype(np.int64))
        hashes = hash_strings(strings)
        keys, counts = run_lengths(np.sort(hashes))
        self._count(keys, counts, strings, hashes)

    def _count(self, keys: Hashes, counts: Integers, strings: pa.Array, hashes: Hashes) -> None:
        self.block_distinct = None if self.count else len(keys)
        self.count += int(counts.sum())
        self.repeated = self.repeated or bool(counts.max() > 1)
        if len(keys) > EXACT_VALUES or self.distinct_hashes is not None:
            self._sketch().add(keys)
        self.frequencies.add(keys, counts)
        self._settle()
        unnamed = np.array([key for key in self.frequencies.keys.tolist() if key not in self.names], dtype=np.uint64)
        if len(unnamed):
            self._name(unnamed, strings, hashes)

    def _name(self, keys: Hashes, strings: pa.Array, hashes: Hashes) -> None:
        """Find a string for each of these keys, among strings with these hashes."""
        import pyarrow.compute as pc

        ends = np.zeros(1 << 16, dtype=np.bool_)  # of the keys' bits: most rows are told apart without a search
        ends[keys & _END] = True
        rows = np.flatnonzero(ends[hashes & _END])
        places = np.minimum(np.searchsorted(keys, hashes[rows]), len(keys) - 1)
        rows = rows[keys[places] == hashes[rows]]
        found, first = np.unique(hashes[rows], return_index=True)
        shown = pc.utf8_slice_codeunits(strings.take(arrow_places(rows[first])), 0, SHOWN_CHARACTERS)
        self.names.update(zip(found.tolist(), shown.to_pylist(), strict=True))

    def _settle(self) -> None:
        """Sketch where there are too many strings to count, and forget names of strings that are no longer counted."""
        if self.distinct_hashes is None and len(self.frequencies.keys) > EXACT_VALUES:
            self._sketch()
        if self.distinct_hashes is None:
            self.repeated = self.repeated or bool(len(self.frequencies.counts) and self.frequencies.counts.max() > 1)
            return
        self.frequencies.reduce()
        if len(self.names) > len(self.frequencies.keys):
            kept = set(self.frequencies.keys.tolist())
            self.names = {key: name for key, name in self.names.items() if key in kept}

    def _sketch(self) -> DistinctSketch:
        if self.distinct_hashes is None:
            self.repeated = self.repeated or bool(len(self.frequencies.counts) and self.frequencies.counts.max() > 1)
            self.distinct_hashes = DistinctSketch()
            self.distinct_hashes.add(self.frequencies.keys)
        return self.distinct_hashes
